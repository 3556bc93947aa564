"""pystray's `Icon` on Linux, served as StatusNotifierItem and com.canonical.dbusmenu over D-Bus: no X, no GTK.

`base` imports pystray without a display; `dbusmenu` and `item` are the two D-Bus objects; `watcher` is the panel's
side of the conversation; `icon` is the pystray class that holds them together.
"""
