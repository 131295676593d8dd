# Manual pages, one line per page.
dist_man_MANS += man/signpost.1
dist_man_MANS += man/signpost-audit.1
dist_man_MANS += man/signpost-bulk.1
dist_man_MANS += man/signpost-check.1
dist_man_MANS += man/signpost-domain.1
dist_man_MANS += man/signpost-events.1
dist_man_MANS += man/signpost-export.1
dist_man_MANS += man/signpost-genkey.1
dist_man_MANS += man/signpost-genzone.1
dist_man_MANS += man/signpost-import.1
dist_man_MANS += man/signpost-key.1
dist_man_MANS += man/signpost-mirrors.5
dist_man_MANS += man/signpost-publishers.5
dist_man_MANS += man/signpost-resolve.1
dist_man_MANS += man/signpost-rotate.1
dist_man_MANS += man/signpost-shadow.1
dist_man_MANS += man/signpost-status.1
dist_man_MANS += man/signpost-store.1
dist_man_MANS += man/signpost-testkey.1
dist_man_MANS += man/signpost-testmsg.1
dist_man_MANS += man/signpost-zimbra.1
dist_man_MANS += man/signpost-zone.1
if ADMIN
dist_man_MANS += man/signpost-admind.8 man/signpost-api.7
endif
EXTRA_DIST += man/signpost-admind.8 man/signpost-api.7
dist_man_MANS += man/signpost-plan.5
dist_man_MANS += man/signpostd.8
# sources of man
dist_man_MANS += man/signpostd.conf.5
