#!/usr/bin/env bash
# dbus-fast 5.2.0: a signal emitted just after the session bus ended raises OSError, and leaves a future nobody can await.
#
# A signal of a ServiceInterface (NewIcon of a tray icon, PropertiesChanged) is written at once. When the bus has ended and
# the loop has not yet seen it, the write fails, the connection closes its socket, and then registers the closed descriptor
# for writing: OSError (EBADF) comes out of the emitting method, not the ConnectionError of wait_for_disconnect. The future
# of the message holds a BrokenPipeError, is not returned to the caller, and asyncio reports it as never retrieved.
# `MessageBus.connected` is still true before the call. An application that only handles wait_for_disconnect ends with two
# tracebacks at log-out. Remedy: give `send` a future of your own that is looked at, and catch OSError for signals.
#
# Seen: "connected: True, emitted: OSError 9, lost futures: 1" with 5.2.0 (asyncio, Python 3.11, Linux).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install dbus-fast==5.2.0
cat > "$work/bus.conf" <<'XML'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow own="*"/><allow receive_sender="*"/></policy></busconfig>
XML
cat > "$work/emit.py" <<'PY'
import asyncio
import gc
import subprocess
import sys

from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, dbus_signal


class Item(ServiceInterface):
    def __init__(self):
        super().__init__("org.example.Item")

    @dbus_signal()
    def Changed(self) -> "s":
        return "x"


async def main():
    lost = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context["message"]))
    daemon = subprocess.Popen(
        ["dbus-daemon", f"--config-file={sys.argv[1]}", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True
    )
    bus = await MessageBus(bus_address=daemon.stdout.readline().strip()).connect()
    item = Item()
    bus.export("/item", item)
    daemon.terminate()
    daemon.wait()  # the loop does not run in between
    connected = bus.connected
    try:
        item.Changed()
        emitted = "nothing raised"
    except OSError as error:
        emitted = f"{type(error).__name__} {error.errno}"
    try:
        await bus.wait_for_disconnect()
    except OSError:
        pass
    return connected, emitted, lost


connected, emitted, lost = asyncio.run(main())
gc.collect()
print(f"connected: {connected}, emitted: {emitted}, lost futures: {len(lost)}")
PY
"$work/venv/bin/python" "$work/emit.py" "$work/bus.conf" | tee "$work/out"
test "$(cat "$work/out")" = "connected: True, emitted: OSError 9, lost futures: 1"
