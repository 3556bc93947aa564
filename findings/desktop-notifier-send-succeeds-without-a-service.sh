#!/usr/bin/env bash
# desktop-notifier 6.2.0 reports a notification as sent when nobody can show it.
#
# On Linux `send` talks to org.freedesktop.Notifications. On a session bus without such a service it returns an identifier
# and raises nothing; the failure is only in the log of the library. A program that counts a question as asked because
# `send` returned has asked nobody. The on_dispatched callback does not run: wait for it.
#
# Seen: "returned: str, dispatched: 0" with 6.2.0 on a bus of its own without a notification service.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install desktop-notifier==6.2.0
cat > "$work/bus.conf" <<'XML'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow own="*"/><allow receive_sender="*"/></policy></busconfig>
XML
cat > "$work/send.py" <<'PY'
import asyncio
from desktop_notifier import DesktopNotifier

async def main():
    shown = []
    notifier = DesktopNotifier(app_name="finding")
    answer = await asyncio.wait_for(
        notifier.send(title="Question", message="?", on_dispatched=lambda: shown.append(1)), 20
    )
    await asyncio.sleep(1)
    print(f"returned: {type(answer).__name__}, dispatched: {len(shown)}")

asyncio.run(main())
PY
HOME="$work" dbus-run-session --config-file="$work/bus.conf" -- "$work/venv/bin/python" "$work/send.py" 2> "$work/log" | tee "$work/out"
tail -n 1 "$work/log"
test "$(cat "$work/out")" = "returned: str, dispatched: 0"
