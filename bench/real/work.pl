# SPDX-License-Identifier: BSD-2-Clause
# Text: split, match, substitute, count, sort.
use strict;
use warnings;
my ($seed, %count, @lines) = (12345);
for my $i (1 .. 8000) {
    $seed = ($seed * 1103515245 + 12345) & 0x7fffffff;
    push @lines, sprintf "%d host%d GET /page/%d?id=%x %d", $i, $seed % 50, $seed % 997, $seed, $seed % 5000;
}
for (@lines) {
    my @field = split;
    my ($page) = m{/page/(\d+)\?id=[0-9a-f]+} or next;
    (my $path = $field[3]) =~ s/\?.*//;
    $count{$field[1]}{$path} += $field[4] + ($page & 3);
}
my $sum = 0;
for my $host (sort keys %count) {
    my @top = sort { $count{$host}{$b} <=> $count{$host}{$a} || $a cmp $b } keys %{$count{$host}};
    $sum += $count{$host}{$top[0]};
}
print "$sum ", scalar(keys %count), " ", length(join "", map { ucfirst lc } @lines), "\n";
