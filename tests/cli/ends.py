#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How a machine ends: exit statuses, signals, keys, output that fails, terminals that go away. The
terminal's mode is as before each time, and no process or file stays."""
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

from command import DOPPEL, GUEST, PATIENCE, Case, main, session_processes


class Statuses(Case):
    def test_exit_port(self):
        r = self.run_doppel(*GUEST, stdin=b'e')
        self.assertEqual((r.stdout.strip(), r.stderr, r.returncode), ('ready', '', 42))

    def test_crash(self):
        r = self.run_doppel(*GUEST, '--no-reboot', stdin=b't')
        self.assertEqual((r.stderr, r.returncode), (
            'doppel: the guest crashed: triple fault (an exception it could not deliver)\n', 1))

    def start_guest(self, *arguments, **streams):
        streams = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE,
                   **streams}
        return self.start(*GUEST, *arguments, **streams)

    def test_signals(self):
        for number, name in ((signal.SIGTERM, 'Terminated'), (signal.SIGINT, 'Interrupt'),
                             (signal.SIGHUP, 'Hangup'), (signal.SIGQUIT, 'Quit')):
            p = self.start_guest()
            self.assertEqual(p.stdout.readline().strip(), b'ready')
            p.send_signal(number)
            _, err = p.communicate(timeout=PATIENCE)
            self.assertEqual((err.decode(), p.returncode),
                             (f'doppel: ended by signal {name}\n', 128 + number))
            self.check_nothing_left(p, [])

    def test_reader_leaves(self):
        p = self.start_guest()
        self.assertEqual(p.stdout.readline().strip(), b'ready')
        p.stdin.write(b'p')
        p.stdin.flush()
        p.stdout.readline()
        p.stdout.close()
        self.assertEqual(p.stderr.read(), b'doppel: writing to standard output: Broken pipe\n')
        self.assertEqual(p.wait(PATIENCE), 1)
        self.check_nothing_left(p, [])

    def test_full_disk(self):
        with open('/dev/full', 'wb') as full:
            r = self.run_doppel(*GUEST, stdout=full)
        self.assertEqual((r.stderr, r.returncode), (
            'doppel: writing to standard output: No space left on device\n', 1))

    def test_closed_streams(self):
        """A stream that is closed never becomes the number of another file."""
        self.file('disk', bytes(1 << 16))
        command = [DOPPEL, *GUEST, '--disk', 'disk']
        for closed, err in (('>&-', 'doppel: writing to standard output: Bad file descriptor\n'),
                            ('>&- 2>&-', ''), ('<&- >&- 2>&-', '')):
            r = subprocess.run(['sh', '-c', f'exec "$@" {closed}', 'sh', *command], input=b'',
                               capture_output=True, cwd=self.work, timeout=PATIENCE)
            self.assertEqual((r.stderr.decode(), r.returncode), (err, 1))
            with open(os.path.join(self.work, 'disk'), 'rb') as f:
                self.assertEqual(f.read(), bytes(1 << 16))

    def test_no_room_for_files(self):
        """The limit of open files at every number: an error each time until the machine runs."""
        for limit in range(3, 64):
            r = subprocess.run(['sh', '-c', f'ulimit -n {limit}; exec "$@"', 'sh', DOPPEL, *GUEST],
                               input=b'e', capture_output=True, cwd=self.work, timeout=PATIENCE)
            if r.returncode == 42:
                break
            if r.stderr.startswith(b'doppel: '):
                self.assertIn(b'Too many open files', r.stderr)
                self.assertEqual(r.returncode, 1)
            else:
                self.assertIn(b'shared librar', r.stderr)
        self.assertEqual(r.returncode, 42)
        self.assertGreater(limit, 4)


class Terminal(Case):
    """doppel on a terminal of its own, with the test at the other end."""

    def setUp(self):
        super().setUp()
        self.master = self.slave = None
        self.addCleanup(self.close)

    def open(self, controlling=True, arguments=()):
        self.master, self.slave = pty.openpty()
        self.seen = b''
        mode = termios.tcgetattr(self.slave)
        mode[3] |= termios.ECHO | termios.ICANON | termios.ISIG
        termios.tcsetattr(self.slave, termios.TCSANOW, mode)
        self.before = termios.tcgetattr(self.slave)
        setup = self.take_terminal if controlling else None
        self.process = self.start(*GUEST, *arguments, stdin=self.slave, stdout=self.slave,
                                  stderr=self.slave, preexec_fn=setup)
        self.expect(b'ready')
        self.expect(b'\n')

    @staticmethod
    def take_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def close(self):
        for fd in (self.master, self.slave):
            if fd is not None:
                os.close(fd)
        self.master = self.slave = None

    def expect(self, text):
        """Waits for the text and forgets everything up to its end."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            self.assertTrue(select.select([self.master], [], [], max(0, end - time.monotonic()))[0],
                            f'{text!r} does not come, but {self.seen!r}')
            self.seen += os.read(self.master, 4096)
        self.seen = self.seen.partition(text)[2]

    def type(self, keys):
        os.write(self.master, keys)

    def end(self, status):
        self.assertEqual(self.process.wait(PATIENCE), status)
        if self.slave is not None:
            self.assertEqual(termios.tcgetattr(self.slave), self.before, 'the terminal stays raw')
        self.check_nothing_left(self.process, [])

    def test_guest_ends(self):
        self.open()
        self.assertNotEqual(termios.tcgetattr(self.slave), self.before, 'the terminal is not raw')
        self.type(b'e')
        self.end(42)

    def test_keys_go_to_the_guest(self):
        """Ctrl-C, Ctrl-Z, Ctrl-\\ and Ctrl-D are echoed by the guest; so is one Ctrl-A of two."""
        self.open()
        self.type(b'[\x03\x1a\x1c\x04\x01\x01]')
        self.expect(b'[\x03\x1a\x1c\x04\x01]')
        self.type(b'e')
        self.end(42)

    def test_escape(self):
        self.open()
        self.type(b'\x01h')
        self.expect(b'Ctrl-A x: end the machine')
        self.type(b'\x01x')
        self.end(0)

    def test_escape_from_a_guest_that_reads_nothing(self):
        """Keys wait for the guest, and are lost when there are too many; an escape never is."""
        self.open()
        self.type(b's')
        self.expect(b'deaf')
        for _ in range(50):
            self.type(b'x' * 100)
        self.type(b'\x01x')
        self.end(0)

    def test_guest_crashes(self):
        self.open(arguments=['--no-reboot'])
        self.type(b't')
        self.expect(b'triple fault')
        self.end(1)

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            self.open()
            self.process.send_signal(number)
            self.expect(b'ended by signal')
            self.end(128 + number)
            self.close()

    def test_monitor_crashes(self):
        """Even a defect of doppel leaves a usable terminal."""
        self.open()
        self.process.send_signal(signal.SIGSEGV)
        self.end(-signal.SIGSEGV)

    def test_terminal_goes_away(self):
        for controlling in (True, False):
            self.open(controlling)
            self.close()
            self.end(128 + signal.SIGHUP)

    def test_terminal_goes_away_while_printing(self):
        self.open(controlling=False)
        self.type(b'p')
        self.expect(b'printing')
        self.close()
        self.assertIn(self.process.wait(PATIENCE), (1, 128 + signal.SIGHUP))
        self.assertEqual(session_processes(self.process.pid), [])


main()
