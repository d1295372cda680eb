"""Boot a node: `python -I -S …/labs/nodes/init/__main__.py`, started by bwrap as process 1.

Inherited: 3, the supervisor's control socket; 4, the evidence socket for the container runtime.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys

sys.path.insert(0, os.path.abspath(__file__).rsplit("/labs/", 1)[0])

from labs.nodes.init.channel import MESSAGE_MAX
from labs.nodes.init.control import Control, Surroundings
from labs.nodes.init.files import NodeFiles
from labs.nodes.init.journal import Journal
from labs.nodes.init.launch import Launcher
from labs.nodes.init.manager import ManagerSocket
from labs.nodes.init.monitor import Monitor
from labs.nodes.init.reactor import Reactor
from labs.nodes.init.requests import text, texts
from labs.nodes.init.syscalls import set_timer_slack
from labs.nodes.init.units import UnitManager
from labs.nodes.init.views import Views

CONTROL_FD, EVIDENCE_FD = 3, 4
#: Nanoseconds; with the 50,000 that the kernel gives, Go's runtime wakes etcd twice as often to look about.
TIMER_SLACK = 1_000_000


def main() -> None:
    # whoever is root on the node may send these to process 1; none of them is for it
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    # each container takes three descriptors here; containerd and systemd raise this limit likewise
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    set_timer_slack(TIMER_SLACK)
    os.set_inheritable(CONTROL_FD, False)
    os.set_inheritable(EVIDENCE_FD, False)
    supervisor = socket.socket(fileno=CONTROL_FD)
    boot = json.loads(supervisor.recv(MESSAGE_MAX))
    hostname, users = text(boot, "hostname"), boot["userns"]
    maps = (text(users, "uid_map"), text(users, "gid_map"), text(users, "setgroups"))

    reactor = Reactor()
    views = Views(maps)
    launcher = Launcher(reactor)
    files = NodeFiles(views.node)
    inherited = dict(os.environ)
    trusted = Surroundings(boot.get("trusted") or {}, inherited)
    student = Surroundings(boot.get("student") or {}, {})
    control = Control(reactor, launcher, views, student, trusted)
    journal = Journal(files, hostname, control.send)
    monitor = Monitor(reactor, launcher, files)
    units = UnitManager(reactor, launcher, files, journal, texts(boot, "python"), trusted.env, control)
    units.give_runtime(monitor.connect, EVIDENCE_FD)
    ManagerSocket(reactor, units, "/run/systemd/private")
    control.serve(supervisor, units)
    reactor.run()


if __name__ == "__main__":
    main()
