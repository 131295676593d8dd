/*
 * secret.c - the allocator for private keys.
 * The keeper gives it to OpenSSL for everything; the admin daemon and the tools use it for key
 * texts. It must never share a page with anything that is not a secret, nor return memory to the
 * next user unwiped.
 *
 * Layout: blocks of 64 KiB aligned to 64 KiB, each with a head that says which size class its
 * slots have; the head of a pointer is found by masking. Larger pieces have a mapping of their own.
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/secret.h"

#define BLOCK_BYTES ((size_t)65536)
#define HEAD_BYTES ((size_t)64)
#define SLOT_MAX ((size_t)8192)
#define STEP_BYTES 16U /* of slots, up to FINE_MAX */
#define FINE_MAX ((size_t)2048)
#define FINE_CLASSES 128U
#define CLASS_COUNT (FINE_CLASSES + 8U) /* four in every doubling up to SLOT_MAX */

struct slot {
	struct slot *next;
};

struct block {
	size_t mapped; /* octets of the whole mapping */
	size_t slot;   /* octets of each slot; for a large piece, of the piece */
	unsigned int size_class;
	bool large;
};

struct size_class {
	pthread_mutex_t lock;
	struct slot *free;
	size_t used; /* slots that are given out */
};

static struct size_class classes[CLASS_COUNT];
static pthread_once_t classes_once = PTHREAD_ONCE_INIT;
static size_t mapped_bytes, large_bytes;
static bool lock_refused;

static void
classes_init(void)
{
	for (unsigned int i = 0; i < CLASS_COUNT; i++)
		pthread_mutex_init(&classes[i].lock, NULL);
}

/* Parts of keys are a little longer than a power of two, and there are many: fine steps at first.
 */
static size_t
class_bytes(unsigned int size_class)
{
	if (size_class < FINE_CLASSES)
		return STEP_BYTES * (size_class + 1);
	size_class -= FINE_CLASSES;
	return (FINE_MAX << (size_class / 4)) / 4 * (5 + size_class % 4);
}

static unsigned int
class_for(size_t bytes)
{
	unsigned int doubling, size_class;

	if (bytes <= FINE_MAX)
		return bytes == 0 ? 0 : (unsigned int)((bytes - 1) / STEP_BYTES);
	doubling = (unsigned int)(63 - __builtin_clzll((unsigned long long)(bytes - 1))) - 11;
	size_class = FINE_CLASSES + doubling * 4;
	while (class_bytes(size_class) < bytes)
		size_class++;
	return size_class;
}

/* Aligned to BLOCK_BYTES, locked, not dumped, zero in a child. */
static struct block *
block_map(size_t bytes)
{
	size_t mapped = (bytes + HEAD_BYTES + BLOCK_BYTES - 1) & ~(BLOCK_BYTES - 1);
	char *raw = mmap(
	    NULL, mapped + BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t skip;
	struct block *block;

	if (raw == MAP_FAILED)
		return NULL;
	skip = (BLOCK_BYTES - (uintptr_t)raw % BLOCK_BYTES) % BLOCK_BYTES;
	if (skip > 0)
		munmap(raw, skip);
	munmap(raw + skip + mapped, BLOCK_BYTES - skip);
	block = (struct block *)(void *)(raw + skip);
	madvise(block, mapped, MADV_DONTDUMP);
	madvise(block, mapped, MADV_WIPEONFORK);
	if (mlock(block, mapped) != 0)
		__atomic_store_n(&lock_refused, true, __ATOMIC_RELAXED);
	__atomic_add_fetch(&mapped_bytes, mapped, __ATOMIC_RELAXED);
	block->mapped = mapped;
	return block;
}

void *
secret_stack(size_t bytes)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	char *base = mmap(NULL, guard + bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	/* Without its guard a stack that overflows would write over other secrets. */
	if (mprotect(base, guard, PROT_NONE) != 0) {
		munmap(base, guard + bytes);
		return NULL;
	}
	madvise(base + guard, bytes, MADV_DONTDUMP);
	madvise(base + guard, bytes, MADV_WIPEONFORK);
	/* Most of a stack is never touched: only what is becomes resident. */
	if (mlock2(base + guard, bytes, MLOCK_ONFAULT) != 0)
		__atomic_store_n(&lock_refused, true, __ATOMIC_RELAXED);
	__atomic_add_fetch(&mapped_bytes, bytes, __ATOMIC_RELAXED);
	return base + guard;
}

void
secret_stack_free(void *stack, size_t bytes)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);

	if (stack == NULL)
		return;
	secret_wipe(stack, bytes);
	munmap((char *)stack - guard, guard + bytes);
	__atomic_sub_fetch(&mapped_bytes, bytes, __ATOMIC_RELAXED);
}

static struct block *
block_of(void *p)
{
	return (struct block *)((uintptr_t)p & ~(BLOCK_BYTES - 1));
}

static void *
large_alloc(size_t bytes)
{
	struct block *block = block_map(bytes);

	if (block == NULL)
		return NULL;
	block->slot = block->mapped - HEAD_BYTES;
	block->large = true;
	__atomic_add_fetch(&large_bytes, block->mapped, __ATOMIC_RELAXED);
	return (char *)block + HEAD_BYTES;
}

/* Called with the class locked: cuts a new block into slots. */
static bool
class_refill(struct size_class *size_class, unsigned int index)
{
	size_t slot = class_bytes(index);
	struct block *block = block_map(BLOCK_BYTES - HEAD_BYTES);
	char *at, *end;

	if (block == NULL)
		return false;
	block->slot = slot;
	block->size_class = index;
	end = (char *)block + BLOCK_BYTES;
	for (at = (char *)block + HEAD_BYTES; at + slot <= end; at += slot) {
		struct slot *s = (struct slot *)(void *)at;

		s->next = size_class->free;
		size_class->free = s;
	}
	return true;
}

void *
secret_malloc(size_t bytes)
{
	struct size_class *size_class;
	unsigned int index;
	struct slot *slot;

	if (bytes == 0 || bytes > SIZE_MAX / 2)
		return NULL;
	if (bytes > SLOT_MAX)
		return large_alloc(bytes);
	pthread_once(&classes_once, classes_init);
	index = class_for(bytes);
	size_class = &classes[index];
	pthread_mutex_lock(&size_class->lock);
	if (size_class->free == NULL && !class_refill(size_class, index)) {
		pthread_mutex_unlock(&size_class->lock);
		return NULL;
	}
	slot = size_class->free;
	size_class->free = slot->next;
	size_class->used++;
	pthread_mutex_unlock(&size_class->lock);
	slot->next = NULL;
	return slot;
}

void
secret_free(void *p)
{
	struct block *block;
	struct slot *slot = p;

	if (p == NULL)
		return;
	block = block_of(p);
	secret_wipe(p, block->slot);
	if (block->large) {
		__atomic_sub_fetch(&mapped_bytes, block->mapped, __ATOMIC_RELAXED);
		__atomic_sub_fetch(&large_bytes, block->mapped, __ATOMIC_RELAXED);
		munmap(block, block->mapped);
		return;
	}
	pthread_mutex_lock(&classes[block->size_class].lock);
	slot->next = classes[block->size_class].free;
	classes[block->size_class].free = slot;
	classes[block->size_class].used--;
	pthread_mutex_unlock(&classes[block->size_class].lock);
}

void *
secret_realloc(void *old, size_t bytes)
{
	size_t had = old == NULL ? 0 : block_of(old)->slot;
	void *fresh;

	if (bytes == 0) {
		secret_free(old);
		return NULL;
	}
	if (bytes <= had)
		return old;
	fresh = secret_malloc(bytes);
	if (fresh == NULL)
		return NULL;
	if (old != NULL)
		memcpy(fresh, old, had);
	secret_free(old);
	return fresh;
}

void
secret_wipe(void *p, size_t bytes)
{
	explicit_bzero(p, bytes);
}

bool
secret_equal(const void *a, const void *b, size_t bytes)
{
	const volatile unsigned char *x = a, *y = b;
	unsigned char differ = 0;

	for (size_t i = 0; i < bytes; i++)
		differ |= (unsigned char)(x[i] ^ y[i]);
	return differ == 0;
}

size_t
secret_bytes(bool *locked_out)
{
	*locked_out = !__atomic_load_n(&lock_refused, __ATOMIC_RELAXED);
	return __atomic_load_n(&mapped_bytes, __ATOMIC_RELAXED);
}

size_t
secret_used_bytes(void)
{
	size_t bytes = __atomic_load_n(&large_bytes, __ATOMIC_RELAXED);

	pthread_once(&classes_once, classes_init);
	for (unsigned int i = 0; i < CLASS_COUNT; i++) {
		pthread_mutex_lock(&classes[i].lock);
		bytes += classes[i].used * class_bytes(i);
		pthread_mutex_unlock(&classes[i].lock);
	}
	return bytes;
}
