#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the command prints about itself: help (golden files), JSON, the manual page, completion.
--update as last argument rewrites the golden files."""
import json
import os
import re
import shutil
import subprocess
import sys

from command import DOPPEL, HERE, OBEY, Case, main

COMMANDS = ['completion', 'engines', 'man', 'run', 'stat']
UPDATE = sys.argv[-1] == '--update'
if UPDATE:
    sys.argv.pop()


class Documents(Case):
    def check_golden(self, name, text):
        path = os.path.join(HERE, 'golden', name)
        if UPDATE:
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
        with open(path, encoding='utf-8') as f:
            self.assertEqual(text, f.read(), f'{name}: documents.py --update accepts the change')

    def print(self, *arguments):
        r = self.run_doppel(*arguments)
        self.assertEqual((r.stderr, r.returncode), ('', 0))
        return r.stdout

    def test_help(self):
        self.check_golden('help', self.print('--help'))
        for command in COMMANDS:
            text = self.print(command, '--help')
            self.assertEqual(text, self.print(command, '-h'))
            self.check_golden(f'help-{command}', text)

    def test_no_arguments(self):
        r = self.run_doppel()
        self.assertEqual((r.stdout, r.returncode), (self.print('--help'), 2))

    def test_version(self):
        self.assertRegex(self.print('--version'), r'^doppel \d+\.\d+\.\d+\n$')

    def test_every_command_is_tested(self):
        listed = re.findall(r'^  (\w+) ', self.print('--help'), re.M)
        self.assertEqual(listed, COMMANDS)

    def test_engines(self):
        document = json.loads(self.print('engines', '--json'))
        text = self.print('engines')
        names = [e['name'] for e in document['engines']]
        self.assertIn('interpret', names)
        self.assertIn(document['auto'], names)
        self.assertIn(f'--engine auto takes {document["auto"]}', text)
        for engine in document['engines']:
            state = 'available' if engine['available'] else 'unavailable'
            self.assertRegex(text, rf'(?m)^{engine["name"]} +{state} ')
            if not engine['available']:
                self.assertTrue(engine['note'], 'an engine is unavailable without a reason')

    def test_dry_run(self):
        guest = ['run', '--engine', 'interpret', '--kernel', OBEY, '--memory', '16M', '--dry-run',
                 '--cpus', '2', '--append', 'one "two" \\']
        document = json.loads(self.print(*guest, '--json'))
        self.assertEqual(document, {
            'engine': 'interpret', 'reason': 'interpret: asked for', 'boot': document['boot'],
            'cpus': 2, 'memory': 16 << 20, 'kernel': OBEY, 'initrd': None,
            'append': 'one "two" \\ console=ttyS0'})
        self.assertEqual(self.print(*guest), f'interpret: asked for\n{document["boot"]}\n'
                                             f'2 CPUs, 16 MiB\n')

    def test_counters(self):
        guest = ['run', '--engine', 'interpret', '--kernel', OBEY, '--memory', '16M', '--quiet',
                 '--stat']
        r = self.run_doppel(*guest, '--json', stdin=b'e')
        self.assertEqual(r.returncode, 42)
        document = json.loads(r.stderr)
        self.assertEqual((document['engine'], document['cpus']), ('interpret', 1))
        self.assertGreater(document['instructions'], 100)
        self.assertGreater(sum(document['exits'].values()), 1)
        r = self.run_doppel(*guest, stdin=b'e')
        for reason in document['exits']:
            self.assertRegex(r.stderr, rf'(?m)^{re.escape(reason)} +\d')

    def test_trace(self):
        """Guest code, and the host's below it; nothing outside of the range."""
        trace = os.path.join(self.work, self.file('trace'))
        guest = ['run', '--engine', 'translate', '--kernel', OBEY, '--memory', '16M', '--quiet',
                 '--trace-file', trace, '--trace']
        self.assertEqual(self.run_doppel(*guest, 'translate:blocks', stdin=b'e').returncode, 42)
        with open(trace, encoding='utf-8') as f:
            text = f.read()
        places = re.findall(r'(?m)^guest code at (0x[0-9a-f]+), physical 0x[0-9a-f]+:$', text)
        self.assertGreater(len(places), 1)
        self.assertEqual(text.count('\nhost code:\n'), len(places))
        self.assertRegex(text, r'(?m)^ +[0-9a-f]+  ([0-9a-f]{2} )+ +\w+')
        self.assertEqual(self.run_doppel(*guest, f'translate:{places[0]}+1', stdin=b'e').returncode, 42)
        with open(trace, encoding='utf-8') as f:
            self.assertEqual(set(re.findall(r'(?m)^guest code at (0x[0-9a-f]+)', f.read())),
                             {places[0]})

    def test_manual(self):
        page = self.print('man')
        for command in COMMANDS:
            self.assertIn(f'.SH "DOPPEL {command.upper()}"', page)
            for option in re.findall(r'^  [-\w, ]*(--[-\w]+)', self.print(command, '--help'), re.M):
                self.assertIn(r'\fB' + option.replace('-', r'\-') + r'\fR', page)
        if not shutil.which('groff'):
            self.skipTest('no groff to check the page with')
        r = subprocess.run(['groff', '-man', '-ww', '-Tascii'], input=page, capture_output=True,
                           text=True, check=True)
        self.assertEqual(r.stderr, '')
        plain = re.sub(r'\x1b\[\d*m|.\x08', '', r.stdout)
        self.assertIn("doppel completion bash > ~/.local/share", plain)
        self.assertIn('echo hi | doppel run -- cat', plain)

    def complete(self, *words):
        """What bash offers for the last word."""
        script = self.print('completion', 'bash')
        quoted = ' '.join(f"'{w}'" for w in words)
        r = subprocess.run(['bash', '-uc', f'{script}\nCOMP_WORDS=({quoted})\n'
                            f'COMP_CWORD={len(words) - 1}\n_doppel\n'
                            'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True,
                           cwd=self.work)
        self.assertEqual(r.stderr, '')
        return r.stdout.split()

    def test_completion(self):
        self.assertEqual(self.complete('doppel', ''), COMMANDS)
        self.assertEqual(self.complete('doppel', 'r'), ['run'])
        self.assertEqual(self.complete('doppel', 'run', '--m'), ['--memory', '--module'])
        self.assertEqual(self.complete('doppel', 'run', '--engine', 'i'), ['interpret'])
        self.assertEqual(self.complete('doppel', 'run', '-e', 'i'), ['interpret'])
        self.assertEqual(self.complete('doppel', 'completion', 'b'), ['bash'])
        self.file('kernel-file')
        self.assertEqual(self.complete('doppel', 'run', '--kernel', 'ker'), ['kernel-file'])
        options = re.findall(r'--[-\w]+', self.print('engines', '--help').partition('Examples')[0])
        self.assertEqual(sorted(self.complete('doppel', 'engines', '-')), sorted(set(options)))

    def test_output_that_fails(self):
        for command in (['--help'], ['engines'], ['man'], ['run', '--help'], ['engines', '--json']):
            with open('/dev/full', 'wb') as full:
                r = self.run_doppel(*command, stdout=full)
            self.assertEqual((r.stderr, r.returncode), (
                'doppel: writing to standard output: No space left on device\n', 1))
            r = subprocess.run(['sh', '-c', 'exec "$@" >&-', 'sh', DOPPEL, *command],
                               capture_output=True, text=True)
            self.assertEqual((r.stderr, r.returncode), (
                'doppel: writing to standard output: Bad file descriptor\n', 1))


main()
