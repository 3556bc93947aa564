#!/bin/bash
# make_image.sh BUNDLE VERSION ICONS IMAGE: the application and its disk image. Not run yet: it needs a Mac.
# Signed ad hoc, which notifications need; to be opened elsewhere without a question it must be notarised.
set -euo pipefail
bundle=$1 version=$2 icons=$3 image=$4
here=$(cd "$(dirname "$0")" && pwd)
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
app="$staging/taskclf tray.app"

mkdir -p "$app/Contents/MacOS" "$app/Contents/Resources"
cp -R "$bundle/" "$app/Contents/MacOS"
sed "s/@VERSION@/$version/" "$here/Info.plist" > "$app/Contents/Info.plist"
plutil -lint "$app/Contents/Info.plist"

cp "$icons" "$app/Contents/Resources/taskclf.icns"

codesign --force --deep --options runtime --entitlements "$here/entitlements.plist" --sign - "$app"
codesign --verify --deep --strict "$app"
"$app/Contents/MacOS/taskclf-tray" selftest

ln -s /Applications "$staging/Applications"
hdiutil create -volname "taskclf tray" -srcfolder "$staging" -ov -format UDZO "$image"
