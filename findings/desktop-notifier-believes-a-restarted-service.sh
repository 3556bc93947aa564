#!/usr/bin/env bash
# desktop-notifier 6.2.0 takes the notices of a restarted service for its own.
#
# Notification services number their notices from 1, and do so again after a crash. The library keeps the numbers of the
# service that is gone: its notices are still listed as shown, and a press on the notice of another program under the same
# number calls the old callback. A question that was on the screen when the service crashed is answered by whatever the
# person clicks next in another program. Watch NameOwnerChanged, and drop the notifier with the service.
#
# Seen: "listed after the crash: 1, callback: yes" with 6.2.0, dbus-fast 5.2.0, on a bus of its own with a small service.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install desktop-notifier==6.2.0 dbus-fast==5.2.0
cat > "$work/bus.conf" <<'XML'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow own="*"/><allow receive_sender="*"/></policy></busconfig>
XML
cat > "$work/restart.py" <<'PY'
import asyncio
from typing import Annotated
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusDict, DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method, dbus_signal
from desktop_notifier import Button, DesktopNotifier

NAME, PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
Strings = Annotated[list[str], DBusSignature("as")]

class Service(ServiceInterface):
    def __init__(self):
        super().__init__(NAME)
        self.count = 0

    @dbus_method()
    def Notify(self, app: DBusStr, replaces: DBusUInt32, icon: DBusStr, title: DBusStr, body: DBusStr,
               actions: Strings, hints: DBusDict, milliseconds: DBusInt32) -> DBusUInt32:
        self.count += 1
        return self.count

    @dbus_method()
    def CloseNotification(self, number: DBusUInt32) -> None: ...

    @dbus_method()
    def GetCapabilities(self) -> Strings:
        return ["actions", "body"]

    @dbus_method()
    def GetServerInformation(self) -> Annotated[list[str], DBusSignature("ssss")]:
        return ["small", "nobody", "1", "1.2"]

    @dbus_signal()
    def ActionInvoked(self, number, key) -> Annotated[list, DBusSignature("us")]:
        return [number, key]

    @dbus_signal()
    def NotificationClosed(self, number, reason) -> Annotated[list, DBusSignature("uu")]:
        return [number, reason]

async def started():
    service, bus = Service(), await MessageBus().connect()
    bus.export(PATH, service)
    await bus.request_name(NAME)
    return service, bus

async def main():
    _, bus = await started()
    notifier, pressed = DesktopNotifier(app_name="finding", app_icon=None), []
    button = Button("Yes", on_pressed=lambda: pressed.append(1), identifier="yes")
    await notifier.send(title="Question", message="?", buttons=[button])
    bus.disconnect()
    await bus.wait_for_disconnect()
    service, _ = await started()
    listed = len(await notifier.get_current_notifications())
    service.ActionInvoked(1, "yes")  # on the first notice of another program
    await asyncio.sleep(1)
    print(f"listed after the crash: {listed}, callback: {'yes' if pressed else 'no'}")

asyncio.run(asyncio.wait_for(main(), 30))
PY
HOME="$work" dbus-run-session --config-file="$work/bus.conf" -- "$work/venv/bin/python" "$work/restart.py" | tee "$work/out"
test "$(cat "$work/out")" = "listed after the crash: 1, callback: yes"
