#pragma once
/* notify -- tell the service manager how the supervisor is, over the socket that it names in NOTIFY_SOCKET. C only.
 * source: sd_notify(3), systemd */

/* Send a message, for example "READY=1". Nothing happens when nobody wants to know, or does not listen. */
void notify_send(const char *text);

/* Tell the watchdog that we live, when it is time. gives: milliseconds until the next time; -1: there is no watchdog */
int notify_watchdog(void);
