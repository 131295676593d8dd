/*
 * watch.h - one thread that notices edited files and refreshes their tables. inotify on the
 * directories (editors rename, Kubernetes swaps a symbolic link), and a stat of each path every two
 * seconds for what inotify cannot see. A file is read when it has been still for a moment; an
 * emptied one is believed later still, so that an editor at work does not unsign mail.
 */
#ifndef SIGNPOST_STORE_WATCH_H
#define SIGNPOST_STORE_WATCH_H

#include "lib/store/table.h"

#define WATCH_SETTLE_MS 100        /* without a change before a file is read */
#define WATCH_SETTLE_EMPTY_MS 1000 /* the same for a file that was emptied */
#define WATCH_POLL_MS 2000         /* between two stats of every path */
#define WATCH_RETRY_MS 2000        /* after a refresh that failed */

struct watcher;

/* Starts the thread (all signals blocked in it). ST_FAILED. Without inotify it only polls. */
enum status watcher_start(struct watcher **out, struct err *err) MUST_USE;
/* The table must stay open until watcher_stop(). Tables without a path are ignored. */
void watcher_add(struct watcher *watcher, struct table *table);
/* Ends and joins the thread. NULL is fine. */
void watcher_stop(struct watcher *watcher);

#endif
