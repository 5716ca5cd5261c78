"""Processes under measurement: what they cost, and a private Redis for them.

Everything lives in one temporary directory and talks over Unix sockets in it.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

START_SECONDS = 30


class Failure(Exception):
    """The benchmark cannot go on; the text says why."""


def key_values(line):
    """'a=1 b=2.5' -> {'a': 1.0, 'b': 2.5}"""
    return {name: float(value) for name, value in (pair.split("=", 1) for pair in line.split())}


def cpu_seconds(pid):
    """CPU time of all threads of a running process, by the nanosecond where the kernel tells."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        return total / 1e9
    except FileNotFoundError:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss_kib(pid):
    return _status_kib(pid, "VmHWM:")


def rss_kib(pid):
    return _status_kib(pid, "VmRSS:")


def _status_kib(pid, name):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def steal_ticks():
    """(ticks stolen by the hypervisor, all ticks) since boot."""
    with open("/proc/stat") as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    return ticks[7], sum(ticks)


class Progress:
    """One line on a terminal, nothing elsewhere."""

    def __init__(self):
        self.shown = sys.stderr.isatty()

    def __call__(self, text):
        if self.shown:
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()

    def clear(self):
        self("")


class Daemon:
    """A process that runs in the background until stop()."""

    def __init__(self, name, command, log_path, env=None):
        self.name = name
        self.log_path = log_path
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env, start_new_session=True)
        self.pid = self.process.pid

    def check_alive(self):
        if self.process.poll() is not None:
            with open(self.log_path, errors="replace") as log:
                tail = log.read()[-2000:]
            raise Failure(f"{self.name} ended with status {self.process.returncode}:\n{tail}")

    def stop(self):
        """SIGTERM, in the end SIGKILL, to it and what it started. Returns its CPU seconds."""
        if self.process.returncode is not None:
            return 0.0
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while True:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                return used.ru_utime + used.ru_stime
            if time.monotonic() > deadline:
                self._signal(signal.SIGKILL)
            time.sleep(0.005)

    def _signal(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass


class Lab:
    """The temporary directory and every process started in it."""

    def __init__(self, programs, tools, keep):
        self.programs = os.path.abspath(programs)
        self.tools = os.path.abspath(tools)
        self.keep = keep
        self.directory = tempfile.mkdtemp(prefix="nixie-bench-")
        self.daemons = []
        self.progress = Progress()

    def stop_all(self):
        while self.daemons:
            self.daemons.pop().stop()

    def close(self):
        self.stop_all()
        self.progress.clear()
        if self.keep:
            print(f"kept: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def program(self, name):
        return self._executable(self.programs, name, "make")

    def tool(self, name):
        return self._executable(self.tools, name, "make bench")

    @staticmethod
    def _executable(directory, name, target):
        path = os.path.join(directory, name)
        if not os.access(path, os.X_OK):
            raise Failure(f"{path} is missing: run `{target}` first")
        return path

    def run(self, command, stdin=None, stdout=None, env=None):
        """Runs a command to its end; its cost as of tests/bench/measure.c, plus cpu_s.

        Output goes to a file even when nobody wants it: into /dev/null, grep stops at the first match.
        """
        report = self.path("measure.out")
        with open(stdin or os.devnull, "rb") as source, open(stdout or self.path("unwanted"), "wb") as sink:
            done = subprocess.run([self.tool("measure"), report, *command], stdin=source, stdout=sink,
                                  stderr=subprocess.PIPE, env=env)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: status {done.returncode}\n{done.stderr.decode()[-2000:]}")
        with open(report) as file:
            cost = key_values(file.read())
        cost["cpu_s"] = cost["user_s"] + cost["system_s"]
        return cost

    def output_of(self, command, stdin=subprocess.DEVNULL):
        """Standard output of a command, as text."""
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: status {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def start(self, name, command, env=None):
        daemon = Daemon(name, command, self.path(f"{name}.log"), env)
        self.daemons.append(daemon)
        return daemon

    def start_notifying(self, name, command, seconds):
        """Starts a daemon; returns it and the seconds it took to READY=1 on $NOTIFY_SOCKET."""
        path = self.path("notify.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            try:
                begin = time.monotonic()
                daemon = self.start(name, command, {**os.environ, "NOTIFY_SOCKET": path})
                return daemon, self._wait_ready(notify, daemon, seconds) - begin
            finally:
                os.unlink(path)

    @staticmethod
    def _wait_ready(notify, daemon, seconds):
        deadline = time.monotonic() + seconds
        notify.settimeout(0.5)
        while time.monotonic() < deadline:
            try:
                if b"READY=1" in notify.recv(4096).splitlines():
                    return time.monotonic()
            except TimeoutError:
                daemon.check_alive()
        raise Failure(f"{daemon.name} was not ready within {seconds} seconds, see {daemon.log_path}")

    def stop(self, daemon):
        self.daemons.remove(daemon)
        return daemon.stop()

    def write_config(self, redis, **groups):
        """A nixie.conf; keywords are groups, with _ for the - in option names."""
        groups["redis"] = {"address": redis.endpoint}
        path = self.path("nixie.conf")
        with open(path, "w") as file:
            for group, settings in groups.items():
                file.write(f"{group}: {{\n")
                for name, value in settings.items():
                    quoted = ", ".join(f'"{item}"' for item in value) if isinstance(value, list) else ""
                    text = f"[ {quoted} ]" if isinstance(value, list) else f'"{value}"'
                    file.write(f"  {name.replace('_', '-')} = {text};\n")
                file.write("};\n")
        return path


class Redis:
    """A private, empty redis-server that keeps nothing on disk."""

    def __init__(self, lab, name="redis", options=()):
        self.lab = lab
        self.socket_path = lab.path(f"{name}.sock")
        self.endpoint = f"unix:{self.socket_path}"
        self.daemon = lab.start(name, [
            "redis-server", "--port", "0", "--unixsocket", self.socket_path, "--save", "",
            "--appendonly", "no", "--dir", lab.directory, "--loglevel", "warning", *options])
        self._wait_until_up()

    def _wait_until_up(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.daemon.check_alive()
            try:
                if self.command("PING") == "PONG":
                    return
            except (OSError, Failure):
                time.sleep(0.01)
        raise Failure("redis-server does not answer")

    def command(self, *words):
        """Sends one command through redis-cli."""
        return self.lab.output_of(["redis-cli", "-s", self.socket_path, *words]).strip()

    def feed(self, commands):
        """Sends many commands, each a list of words, and insists on success."""
        stream = bytearray()
        for words in commands:
            stream += b"*%d\r\n" % len(words)
            for word in words:
                encoded = word.encode()
                stream += b"$%d\r\n%s\r\n" % (len(encoded), encoded)
        done = subprocess.run(["redis-cli", "-s", self.socket_path, "--pipe"], input=stream,
                              capture_output=True)
        if done.returncode != 0 or b"errors: 0" not in done.stdout:
            raise Failure(f"redis-cli --pipe: {done.stdout.decode()}{done.stderr.decode()}")

    def cpu_seconds(self):
        return cpu_seconds(self.daemon.pid)

    def stop(self):
        self.lab.stop(self.daemon)
