/*
 * api_ui.h - the dashboard: the page at /ui/. It holds no data; what it shows it asks the API for,
 * as whoever uses it.
 */
#ifndef SIGNPOST_ADMIN_API_API_UI_H
#define SIGNPOST_ADMIN_API_API_UI_H

struct api_call;

/* The parts of the page, one behind the other: made of admin-api/ui by its embed.awk. */
extern const char ui_top[], ui_style[], ui_middle[], ui_script[], ui_bottom[];

/* GET /ui/, to anybody. */
void api_ui_answer(struct api_call *call);

#endif
