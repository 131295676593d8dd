# Guides, installed where documentation goes.
dist_doc_DATA += doc/CACHES doc/ROTATION doc/KEY-STORES doc/RUNBOOK
dist_doc_DATA += doc/dashboard.png
