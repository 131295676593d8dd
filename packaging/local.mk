# Sample configurations and systemd units, installed as data; packages put them where they belong.
dist_pkgdata_DATA = packaging/signpostd.conf.sample
UNITS = packaging/systemd/signpostd.service
if ADMIN
dist_pkgdata_DATA += packaging/signpost-admind.conf.sample admin-api/openapi.json
UNITS += packaging/systemd/signpost-admind.service
endif
nodist_pkgdata_DATA = $(UNITS)
EXTRA_DIST += packaging/systemd/signpostd.service.in packaging/systemd/signpost-admind.service.in \
	packaging/signpost-admind.conf.sample
CLEANFILES += $(UNITS)
packaging/systemd/%.service: packaging/systemd/%.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging/systemd && sed 's|@sbindir[@]|$(sbindir)|' '$(srcdir)/$@.in' > $@
