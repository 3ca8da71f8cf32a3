# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the command share: running doppel in an empty folder, and the promises that
hold for every run: it ends by itself and leaves neither files nor processes behind."""
import os
import signal
import subprocess
import sys
import tempfile
import unittest

DOPPEL, OBEY = (os.path.abspath(path) for path in sys.argv[1:3])
HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 60  # seconds until a run that hangs is killed; no test passes by it

# The guest that obeys keys, on the engine every host has.
GUEST = ['run', '--quiet', '--engine', 'interpret', '--memory', '16M', '--kernel', OBEY]


def session_processes(session):
    """The processes of a session that still run."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
                fields = f.read().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != 'Z':
            found.append(int(pid))
    return found


class Case(unittest.TestCase):
    """One run or more in an empty folder."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='doppel-cli-')
        self.addCleanup(folder.cleanup)
        self.work, self.temporary = (os.path.join(folder.name, d) for d in ('work', 'tmp'))
        os.mkdir(self.work)
        os.mkdir(self.temporary)
        self.environment = dict(os.environ, TMPDIR=self.temporary, HOME=self.work, LC_ALL='C',
                                DOPPEL_CACHE=os.path.join(self.work, 'no-cache'))

    def file(self, name, content=b''):
        with open(os.path.join(self.work, name), 'wb') as f:
            f.write(content)
        return name

    def start(self, *arguments, **streams):
        """Starts doppel as the leader of a session of its own."""
        process = subprocess.Popen([DOPPEL, *arguments], cwd=self.work, env=self.environment,
                                   start_new_session=True, **streams)
        self.addCleanup(self.kill, process)
        return process

    def kill(self, process):
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def run_doppel(self, *arguments, stdin=b'', **streams):
        """Runs doppel to its end; the result has returncode, stdout and stderr as text."""
        before = sorted(os.listdir(self.work))
        streams = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **streams}
        process = self.start(*arguments, stdin=subprocess.PIPE, **streams)
        try:
            out, err = process.communicate(stdin, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.fail(f'doppel {" ".join(arguments)} does not end')
        self.check_nothing_left(process, before)
        return subprocess.CompletedProcess(arguments, process.returncode, (out or b'').decode(),
                                           (err or b'').decode())

    def check_nothing_left(self, process, before):
        self.assertEqual(session_processes(process.pid), [], 'processes left behind')
        self.assertEqual(os.listdir(self.temporary), [], 'temporary files left behind')
        self.assertEqual(sorted(os.listdir(self.work)), before, 'files left behind')


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
