/*
 * clock.h - the only place that asks what time it is. Everything else gets `now` as an argument,
 * so that tests own the time.
 */
#ifndef SIGNPOST_BASE_CLOCK_H
#define SIGNPOST_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void); /* milliseconds, never set back; for durations and time-outs */
int64_t clock_mono_us(void); /* the same in microseconds; for histograms */
int64_t clock_utc_ms(void);  /* since 1970, UTC; to compare with other machines' */
int64_t clock_utc_s(void);   /* seconds since 1970, UTC; for t= and x= */

#endif
