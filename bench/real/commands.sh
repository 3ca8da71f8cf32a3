# SPDX-License-Identifier: BSD-2-Clause
# 200 small commands of a Debian user land, most of them in pipes.
i=0
while [ $i -lt 25 ]; do
    echo "line $i with some words" | sed 's/some/many/' | tr a-z A-Z
    expr $i \* 7
    printf '%s\n' b a c | sort | head -n 1
    basename "/usr/share/doc/file$i.txt" .txt | cat
    i=$((i + 1))
done
