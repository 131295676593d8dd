/*
 * cached_keystore_news.c - up to which epoch changes are in force, for whoever waits for them.
 * Told by each poll, asked by the keeper's threads that try keys and report. It must never name an
 * epoch whose changes somebody could still be given an answer without.
 */
#include <time.h>

#include "lib/store/cached_keystore_private.h"

void
news_init(struct cached_keystore *cached)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&cached->news_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&cached->news, &attributes);
	pthread_condattr_destroy(&attributes);
}

void
news_free(struct cached_keystore *cached)
{
	pthread_cond_destroy(&cached->news);
	pthread_mutex_destroy(&cached->news_lock);
}

/* A poll that failed, or told of an older store, leaves seen_epoch as it is. */
void
news_tell(struct cached_keystore *cached)
{
	uint64_t epoch = atomic_load(&cached->seen_epoch);

	pthread_mutex_lock(&cached->news_lock);
	if (!cached->tried || epoch != atomic_load(&cached->applied_epoch)) {
		cached->tried = true;
		atomic_store(&cached->applied_epoch, epoch);
		pthread_cond_broadcast(&cached->news);
	}
	pthread_mutex_unlock(&cached->news_lock);
}

static struct timespec
in_ms(int64_t timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += timeout_ms % 1000 * 1000000;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return until;
}

uint64_t
news_wait(struct cached_keystore *cached, uint64_t epoch, int64_t timeout_ms)
{
	const struct timespec until = in_ms(timeout_ms);
	int error = 0;

	pthread_mutex_lock(&cached->news_lock);
	while (error == 0 && atomic_load(&cached->applied_epoch) == epoch)
		error = pthread_cond_timedwait(&cached->news, &cached->news_lock, &until);
	pthread_mutex_unlock(&cached->news_lock);
	return atomic_load(&cached->applied_epoch);
}

void
news_wait_first(struct cached_keystore *cached, int64_t timeout_ms)
{
	const struct timespec until = in_ms(timeout_ms);
	int error = 0;

	pthread_mutex_lock(&cached->news_lock);
	while (error == 0 && !cached->tried)
		error = pthread_cond_timedwait(&cached->news, &cached->news_lock, &until);
	pthread_mutex_unlock(&cached->news_lock);
}
