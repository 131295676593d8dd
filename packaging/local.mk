# A sample configuration and a systemd unit, installed as data; packages put them where they belong.
dist_pkgdata_DATA = packaging/signpostd.conf.sample
nodist_pkgdata_DATA = packaging/systemd/signpostd.service
EXTRA_DIST += packaging/systemd/signpostd.service.in
CLEANFILES += packaging/systemd/signpostd.service
packaging/systemd/signpostd.service: packaging/systemd/signpostd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging/systemd && \
	sed 's|@sbindir[@]|$(sbindir)|' '$(srcdir)/packaging/systemd/signpostd.service.in' > $@
