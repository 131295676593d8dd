/*
 * report.c - the outcome of a run of the load generator, for programs and for people.
 * Called by miltergen.c when all messages have an outcome. It must never leave out how many were
 * signed or verified, and how many were not.
 */
#include <stdio.h>

#include "tests/bench/report.h"

/* values are sorted; share 0 to 1. */
static uint32_t
percentile(const uint32_t *values, size_t n, double share)
{
	size_t at = (size_t)(share * (double)n);

	return n == 0 ? 0 : values[at < n ? at : n - 1];
}

void
report_print_json(const struct report *report)
{
	const struct client_result *r = report->result;

	printf("{\"done\": %llu, \"signed\": %llu, \"signatures\": %llu, \"verified\": %llu, "
	       "\"unsigned\": %llu, "
	       "\"tempfail\": %llu, \"reject\": %llu, \"errors\": %llu, \"lost\": %llu, "
	       "\"retried\": %llu, \"gap_us\": %llu, "
	       "\"connections\": %llu, \"wall_s\": %.6f, \"messages_per_s\": %.1f, ",
	    (unsigned long long)r->done, (unsigned long long)r->signed_messages,
	    (unsigned long long)r->signatures, (unsigned long long)r->verified,
	    (unsigned long long)r->unsigned_messages, (unsigned long long)r->tempfailed,
	    (unsigned long long)r->rejected, (unsigned long long)r->errors,
	    (unsigned long long)r->lost, (unsigned long long)r->retried,
	    (unsigned long long)r->gap_us, (unsigned long long)r->connections,
	    (double)r->wall_ns / 1e9, report->rate);
	printf("\"latency_us\": {\"p50\": %u, \"p90\": %u, \"p99\": %u, \"max\": %u}, "
	       "\"setup_us\": {\"p50\": %u, \"p99\": %u, \"max\": %u}, "
	       "\"version\": %u, \"actions\": %u, \"protocol\": %u",
	    percentile(r->latency_us, r->latencies, 0.5),
	    percentile(r->latency_us, r->latencies, 0.9),
	    percentile(r->latency_us, r->latencies, 0.99),
	    percentile(r->latency_us, r->latencies, 1.0), percentile(r->setup_us, r->setups, 0.5),
	    percentile(r->setup_us, r->setups, 0.99), percentile(r->setup_us, r->setups, 1.0),
	    r->version, r->actions, r->protocol);
	if (report->measured)
		printf(", \"cpu_us\": %.2f, \"processes\": %u, \"rss_before\": %llu, "
		       "\"rss_after\": %llu, \"pss_before\": %llu, \"pss_after\": %llu",
		    report->cpu_us, report->after.processes,
		    (unsigned long long)report->before.rss_bytes,
		    (unsigned long long)report->after.rss_bytes,
		    (unsigned long long)report->before.pss_bytes,
		    (unsigned long long)report->after.pss_bytes);
	printf("}\n");
}

void
report_print_text(const struct report *report)
{
	const struct client_result *r = report->result;

	printf("messages   %llu done: %llu signed (%llu signatures), %llu verified, %llu unsigned, "
	       "%llu tempfailed, "
	       "%llu rejected, %llu errors, %llu lost\n",
	    (unsigned long long)r->done, (unsigned long long)r->signed_messages,
	    (unsigned long long)r->signatures, (unsigned long long)r->verified,
	    (unsigned long long)r->unsigned_messages, (unsigned long long)r->tempfailed,
	    (unsigned long long)r->rejected, (unsigned long long)r->errors,
	    (unsigned long long)r->lost);
	printf("tried again %llu times; longest time without a signed message %.1f ms\n",
	    (unsigned long long)r->retried, (double)r->gap_us / 1e3);
	printf("rate       %.1f messages/s in %.3f s over %llu connections\n", report->rate,
	    (double)r->wall_ns / 1e9, (unsigned long long)r->connections);
	printf("latency    p50 %u  p90 %u  p99 %u  max %u us\n",
	    percentile(r->latency_us, r->latencies, 0.5),
	    percentile(r->latency_us, r->latencies, 0.9),
	    percentile(r->latency_us, r->latencies, 0.99),
	    percentile(r->latency_us, r->latencies, 1.0));
	printf("setup      p50 %u  p99 %u  max %u us (connect and option negotiation)\n",
	    percentile(r->setup_us, r->setups, 0.5), percentile(r->setup_us, r->setups, 0.99),
	    percentile(r->setup_us, r->setups, 1.0));
	printf("agreed     version %u, actions 0x%x, protocol 0x%x\n", r->version, r->actions,
	    r->protocol);
	if (report->measured)
		printf("server     %.1f us CPU a message, %u processes, RSS %.1f -> %.1f MB, PSS "
		       "%.1f -> %.1f MB\n",
		    report->cpu_us, report->after.processes, (double)report->before.rss_bytes / 1e6,
		    (double)report->after.rss_bytes / 1e6, (double)report->before.pss_bytes / 1e6,
		    (double)report->after.pss_bytes / 1e6);
}
