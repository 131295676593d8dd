/*
 * test_store_keyfile.c - key files: what is safe, what is read, what has changed.
 * The folders of the tests are below TMPDIR, which is sticky and open to all: the checks of safe
 * files start from the parts of the sentence that name the node at fault.
 */
#include "tests/unit/store_help.h"

#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/store/keyfile.h"

static void
reads_and_notices_changes(void **state)
{
	const char *path = help_write("key", "-----BEGIN\n");
	struct keyfile_stamp stamp;
	struct err err = ERR_NONE;
	char *text;
	size_t n;

	(void)state;
	assert_int_equal(keyfile_read(path, false, &text, &n, &stamp, &err), ST_OK);
	assert_string_equal(text, "-----BEGIN\n");
	assert_int_equal(n, 11);
	secret_free(text);
	assert_false(keyfile_changed(path, &stamp));
	help_write("key", "-----begin!\n");
	assert_true(keyfile_changed(path, &stamp));
	assert_int_equal(keyfile_read(path, false, &text, &n, &stamp, &err), ST_OK);
	secret_free(text);
	assert_false(keyfile_changed(path, &stamp));
	assert_int_equal(unlink(path), 0);
	assert_true(keyfile_changed(path, &stamp));
}

static void
refuses_what_is_no_key_file(void **state)
{
	static char big[KEYFILE_MAX + 1];
	struct {
		const char *path;
		enum status status;
	} cases[] = {
	    {"/nonexistent/key", ST_ABSENT},
	    {"/", ST_INVALID},
	    {"/dev/zero", ST_INVALID},
	    {NULL, ST_INVALID},
	    {NULL, ST_INVALID},
	    {NULL, ST_INVALID},
	};

	(void)state;
	memset(big, 'A', sizeof(big));
	cases[3].path = help_write_n("big", big, sizeof(big));
	cases[4].path = help_write("empty", "");
	cases[5].path = help_path("fifo");
	assert_int_equal(mkfifo(cases[5].path, 0600), 0);
	for (size_t i = 0; i < 6; i++) {
		struct keyfile_stamp stamp;
		struct err err = ERR_NONE;
		char *text;
		size_t n;

		assert_int_equal(
		    keyfile_read(cases[i].path, false, &text, &n, &stamp, &err), cases[i].status);
		assert_null(text);
		assert_non_null(strstr(err.text, cases[i].path));
	}
}

/* A file that may not be opened is not asked again and again while a thread of the keeper, and with
 * it the mail of others, waits: four milliseconds each time would be twelve seconds in all. A link
 * to itself stands for it: root may open all else. */
static void
unreadable_is_answered_at_once(void **state)
{
	const char *path = help_path("loop");
	int64_t start;

	(void)state;
	assert_int_equal(symlink("loop", path), 0);
	start = clock_mono_ms();
	for (int i = 0; i < 3000; i++) {
		struct keyfile_stamp stamp;
		struct err err = ERR_NONE;
		char *text;
		size_t n;

		assert_int_equal(
		    keyfile_read(path, false, &text, &n, &stamp, &err), ST_UNAVAILABLE);
		assert_non_null(strstr(err.text, path));
	}
	assert_true(clock_mono_ms() - start < 9000);
}

static void
make_key(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

/* The folder is closed to others at the end, so only the nodes above it could be at fault; those of
 * TMPDIR are (open to all), which the sentence must say. */
static void
names_the_node_at_fault(void **state)
{
	struct err err = ERR_NONE;
	struct stat st;
	char key[PATH_MAX];

	(void)state;
	snprintf(key, sizeof(key), "%s", help_path("node"));
	make_key(key);
	if (stat("/tmp", &st) != 0 || (st.st_mode & S_IWOTH) == 0 || strncmp(key, "/tmp/", 5) != 0)
		return; /* not to be had here */
	assert_int_equal(keyfile_check_safe(key, &err), ST_DENIED);
	assert_non_null(
	    strstr(err.text, "/tmp: key data is not secure: everybody can make files here"));
	assert_non_null(strstr(err.text, "move the key"));
}

/* A place whose parents are root's alone: only as root. */
static void
modes_of_a_safe_place(void **state)
{
	static const struct {
		mode_t folder, file;
		gid_t group;
		enum status status;
		const char *says;
	} cases[] = {
	    {0700, 0600, 0, ST_OK, ""},
	    {0700, 0666, 0, ST_OK, ""}, /* nobody else gets through the folder */
	    {0755, 0600, 0, ST_OK, ""},
	    {0755, 0604, 0, ST_DENIED, "everybody can read or write it; run: chmod o-rw"},
	    {0755, 0602, 0, ST_DENIED, "chmod o-rw"},
	    {0755, 0640, 0, ST_OK, ""},        /* root's group, of root alone */
	    {0755, 0640, 12345678, ST_OK, ""}, /* a group that nobody is in */
	    {0757, 0600, 0, ST_DENIED, "chmod o-w"},
	    {0775, 0600, 12345678, ST_OK, ""},
	    {0775, 0600, 1, ST_DENIED, "chmod g-w"}, /* daemon's first group */
	    {0755, 0640, 1, ST_DENIED, "chmod g-rw"},
	};
	char folder[] = "/var/lib/signpost-XXXXXX", key[64];

	(void)state;
	if (geteuid() != 0 || mkdtemp(folder) == NULL)
		return; /* not to be had here */
	snprintf(key, sizeof(key), "%s/key", folder);
	make_key(key);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_NONE;

		assert_int_equal(chown(folder, 0, cases[i].group), 0);
		assert_int_equal(chown(key, 0, cases[i].group), 0);
		assert_int_equal(chmod(folder, cases[i].folder), 0);
		assert_int_equal(chmod(key, cases[i].file), 0);
		if (keyfile_check_safe(key, &err) != cases[i].status ||
		    strstr(err.text, cases[i].says) == NULL)
			fail_msg("case %zu: %s", i, err.text);
	}
	unlink(key);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_and_notices_changes),
	    cmocka_unit_test(refuses_what_is_no_key_file),
	    cmocka_unit_test(unreadable_is_answered_at_once),
	    cmocka_unit_test(names_the_node_at_fault),
	    cmocka_unit_test(modes_of_a_safe_place),
	};

	return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
