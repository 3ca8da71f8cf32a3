#!/usr/bin/env python3
"""Adds up meson's test logs and closes with "N passed, N failed, N skipped"."""
import json
import sys

GOOD = {'OK', 'EXPECTEDFAIL'}


def main():
    passed = failed = skipped = 0
    for path in sys.argv[1:]:
        try:
            with open(path, encoding='utf-8') as f:
                rows = [json.loads(line) for line in f if line.strip()]
        except OSError as e:
            print(f'{path}: {e.strerror}: this run gave no result')
            failed += 1
            continue
        for row in rows:
            if row['result'] in GOOD:
                passed += 1
            elif row['result'] == 'SKIP':
                skipped += 1
                reason = [line for line in row.get('stdout', '').splitlines() if line.strip()]
                print(f"skipped: {row['name']}: {reason[-1] if reason else 'no reason given'}")
            else:
                failed += 1
                print(f"failed: {row['name']} ({row['result']})")
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
