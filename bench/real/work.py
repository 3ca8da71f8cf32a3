# SPDX-License-Identifier: BSD-2-Clause
# Dictionaries, strings, regular expressions, objects and JSON: what scripts are made of.
import json
import re


class Account:
    def __init__(self, name):
        self.name, self.balance, self.log = name, 0, []

    def add(self, amount):
        self.balance += amount
        self.log.append((amount, self.balance))


def main():
    seed, accounts = 12345, {}
    for i in range(12000):
        seed = (seed * 1103515245 + 12345) & 0x7fffffff
        name = "user%d" % (seed % 200)
        accounts.setdefault(name, Account(name)).add(seed % 1000 - 480)
    text = json.dumps({n: a.log for n, a in sorted(accounts.items())})
    total = sum(entry[0] for log in json.loads(text).values() for entry in log)
    words = re.findall(r"user(\d+)\D+(-?\d+)", text)
    order = sorted(words, key=lambda w: (int(w[1]), w[0]))
    print(total, len(words), order[:3], sum(map(ord, text)))


main()
