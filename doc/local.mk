# Guides, installed where documentation goes.
dist_doc_DATA += doc/CACHES doc/ROTATION doc/KEY-STORES doc/RUNBOOK
dist_doc_DATA += doc/dashboard.png
# Step by step, for those who come from somewhere; tests/integration/test_guides.py does what they say.
guidesdir = $(docdir)/guides
dist_guides_DATA = \
	doc/guides/iredmail doc/guides/isp doc/guides/loopback-trap doc/guides/opendkim doc/guides/opendkim.ja \
	doc/guides/postfix doc/guides/postfixadmin doc/guides/sendmail doc/guides/zimbra doc/guides/zimbra.ja
