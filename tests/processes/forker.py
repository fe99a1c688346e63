"""Runs the real `metering` command in a fresh process for each line of standard input.

It has everything imported already and forks, so that hundreds of processes can be killed in a
test. Each line is a JSON list of arguments; the answers go to the file descriptor that is given:
the process id, then "<pid> <status>" when the process has ended.
"""

import json
import os
import sys
import threading

from marketplace_metering.adapters.aws import metering_api
from marketplace_metering.cli import main, meter, record, session

PRELOADED = (metering_api, meter, record, session)
ANSWERS = int(sys.argv[1])


def answer(*words: object) -> None:
    os.write(ANSWERS, (" ".join(map(str, words)) + "\n").encode())


def run(arguments: list[str]) -> None:
    pid = os.fork()
    if pid:
        answer(pid)
        threading.Thread(target=wait_for, args=(pid,)).start()
        return
    os.close(0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    sys.argv = ["metering", *arguments]
    try:
        main()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    finally:
        os._exit(1)


def wait_for(pid: int) -> None:
    _pid, status = os.waitpid(pid, 0)
    answer(pid, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    for line in sys.stdin:
        run(json.loads(line))
