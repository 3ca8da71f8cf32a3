#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Asking a running machine by its name: what it answers, names that are taken, sockets that a
killed machine left behind, folders that are not the user's alone."""
import json
import os
import socket
import subprocess
import time

from command import GUEST, OBEY, PATIENCE, Case, main


class Stat(Case):
    def setUp(self):
        super().setUp()
        self.environment['XDG_RUNTIME_DIR'] = self.work
        self.folder = os.path.join(self.work, 'doppel')

    def named(self, *arguments):
        p = self.start(*GUEST, '--name', 'one', *arguments, stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(p.stdout.readline().strip(), b'ready')
        return p

    def end(self, p):
        p.communicate(b'e', timeout=PATIENCE)
        self.assertEqual(p.returncode, 42)

    def failure(self, *arguments):
        r = self.run_doppel(*arguments)
        self.assertEqual((r.stdout, r.returncode), ('', 1))
        return r.stderr.splitlines()[0]

    def test_running(self):
        p = self.named()
        self.assertEqual(os.stat(self.folder).st_mode & 0o777, 0o700)
        r = self.run_doppel('stat', '--json', 'one')
        self.assertEqual((r.stderr, r.returncode), ('', 0))
        document = json.loads(r.stdout)
        self.assertEqual((document['engine'], document['cpus']), ('interpret', 1))
        self.assertGreater(document['exits']['port out'], 5)
        self.assertGreater(document['counters']['code']['blocks decoded'], 1)
        r = self.run_doppel('stat', 'one')
        self.assertRegex(r.stdout, r'(?m)^port out +\d')
        self.assertRegex(r.stdout, r'(?m)^blocks decoded +\d')
        self.assertEqual(self.failure(*GUEST, '--name', 'one'),
                         "doppel: a machine called 'one' is running")
        self.end(p)
        self.assertEqual(self.failure('stat', 'one'), "doppel: no machine called 'one' is running")
        self.assertEqual(os.listdir(self.folder), [])

    def profile(self, *arguments):
        """Of a guest that is in a loop of guest_main for ever, when there are some samples."""
        p = self.named(*arguments)
        p.stdin.write(b's')
        p.stdin.flush()
        self.assertEqual(p.stdout.readline().strip(), b'deaf')
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            document = json.loads(self.run_doppel('stat', '--json', 'one').stdout)
            if document.get('profile', {}).get('samples', 0) >= 200:
                break
        table = self.run_doppel('stat', 'one').stdout
        p.terminate()
        p.communicate(timeout=PATIENCE)
        return document['profile'], table

    def test_profile(self):
        """Whatever the engine, and whatever the names are from."""
        self.file('System.map', b'0000000000000001 T all_of_it\nffffffff00000000 D no_code\n')
        for engine, tier in ('interpret', 'interpreter'), ('translate', 'translated code'):
            for file, symbol in (OBEY, 'guest_main'), ('System.map', 'all_of_it'):
                profile, table = self.profile('--engine', engine, '--symbols', file)
                for rows, name in (profile['tiers'], tier), (profile['symbols'], symbol):
                    self.assertEqual(max(rows, key=rows.get), name)
                    self.assertEqual(sum(rows.values()), profile['samples'])
                    self.assertRegex(table, rf'(?m)^{name} +\d+ +[\d.]+%$')

    def test_no_profile(self):
        """Nobody asked: there is no timer."""
        p = self.named()
        self.assertNotIn('profile', json.loads(self.run_doppel('stat', '--json', 'one').stdout))
        self.end(p)

    def test_killed(self):
        p = self.named()
        p.kill()
        p.communicate(timeout=PATIENCE)
        self.assertEqual(os.listdir(self.folder), ['one'])
        self.end(self.named())

    def test_bad_requests(self):
        """Whatever a client does, the machine runs and answers the next one."""
        p = self.named()
        for bad in (b'', b'\n', b'state\n', b'x' * 200, b'\0\n', b'stat'):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(os.path.join(self.folder, 'one'))
                s.sendall(bad)
                s.shutdown(socket.SHUT_WR)
                s.settimeout(PATIENCE)
                try:
                    self.assertEqual(s.recv(1), b'')
                except ConnectionResetError:
                    pass
        idle = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for s in idle:
            s.connect(os.path.join(self.folder, 'one'))
        self.assertEqual(self.run_doppel('stat', 'one').returncode, 0)
        for s in idle:
            s.close()
        self.end(p)

    def test_folder_of_others(self):
        os.mkdir(self.folder, 0o755)
        self.assertEqual(self.failure(*GUEST, '--name', 'one'),
                         f'doppel: {self.folder} is not a folder that is yours alone')

    def test_names(self):
        for name in ('', '.', '../one', 'a b', 'x' * 49):
            self.assertEqual(self.failure('stat', name), f"doppel: '{name}' is no name for a machine")


main()
