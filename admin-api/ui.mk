# The dashboard of signpost-admind: one page, made of three files, built into the program.
UI_FILES = admin-api/ui/style.css admin-api/ui/script.js admin-api/ui/index.html
if ADMIN
noinst_LIBRARIES += admin-api/libui.a
admin_api_libui_a_SOURCES = admin-api/api_ui.c admin-api/api_ui.h
nodist_admin_api_libui_a_SOURCES = admin-api/ui_text.c
admin_api_libui_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
LIBAPI += admin-api/libui.a
endif
EXTRA_DIST += $(UI_FILES) admin-api/ui/embed.awk admin-api/api_ui.c admin-api/api_ui.h
CLEANFILES += admin-api/ui_text.c
admin-api/ui_text.c: admin-api/ui/embed.awk $(UI_FILES)
	$(AM_V_GEN)$(MKDIR_P) admin-api && for f in $(UI_FILES); do echo "$(srcdir)/$$f"; done \
		| xargs $(AWK) -f $(srcdir)/admin-api/ui/embed.awk > $@-t && mv $@-t $@
