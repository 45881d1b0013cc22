/* Value handles: inline and counted, copies, and the account of what is out. */
#include "db/value.h"

#include "db_fixture.h"

static armdb_value
make_value(struct value_account *account, uint32_t len)
{
    armdb_value value;
    void *to;
    unsigned char *bytes = make_bytes(len, 1);
    memset(&value, 0xee, sizeof value);
    assert_ok(adb_value_new(account, len, &value, &to));
    memcpy(to, bytes, len);
    free(bytes);
    return value;
}

static void
expect_made(const armdb_value *value, uint32_t len)
{
    unsigned char *bytes = make_bytes(len, 1);
    armdb_slice slice = armdb_value_bytes(value);
    assert_int_equal(slice.len, len);
    assert_int_equal(memcmp(slice.data, bytes, len), 0);
    free(bytes);
}

static uint64_t
bytes_out(struct value_account *account)
{
    return atomic_load_explicit(&account->bytes, memory_order_relaxed);
}

static void
test_value__up_to_20_bytes__need_no_memory(void **state)
{
    (void)state;
    struct value_account *account = adb_value_account_new();
    adb_mem_fail_at(1, true);
    for (uint32_t len = 0; len <= ARMDB_VALUE_INLINE; len++) {
        armdb_value value = make_value(account, len);
        assert_null(value.block);
        expect_made(&value, len);
        armdb_value moved = value; /* moving the struct moves the bytes */
        expect_made(&moved, len);
        adb_value_release(&moved);
    }
    assert_false(adb_mem_has_failed());
    adb_mem_fail_at(0, false);
    assert_int_equal(bytes_out(account), 0);
    adb_value_account_unref(account);
}

static void
test_value__longer_ones__are_counted(void **state)
{
    (void)state;
    struct value_account *account = adb_value_account_new();
    armdb_value small = make_value(account, 21);
    armdb_value large = make_value(account, 1000000);
    assert_non_null(small.block);
    assert_int_equal(bytes_out(account), 1000021);
    expect_made(&small, 21);
    expect_made(&large, 1000000);
    adb_value_release(&small);
    assert_int_equal(bytes_out(account), 1000000);
    adb_value_release(&large);
    assert_int_equal(bytes_out(account), 0);
    adb_value_account_unref(account);
}

static void
test_value__copies__share_the_bytes_until_the_last_is_released(void **state)
{
    (void)state;
    struct value_account *account = adb_value_account_new();
    armdb_value first = make_value(account, 100);
    armdb_value second, third;
    adb_value_ref(&first, &second);
    adb_value_ref(&second, &third);
    assert_ptr_equal(first.block, third.block);
    assert_int_equal(bytes_out(account), 100);
    adb_value_release(&first);
    expect_made(&third, 100);
    adb_value_release(&third);
    assert_int_equal(bytes_out(account), 100);
    expect_made(&second, 100);
    adb_value_release(&second);
    assert_int_equal(bytes_out(account), 0);
    adb_value_account_unref(account);
}

static void
test_value__copies_of_short_ones__are_independent(void **state)
{
    (void)state;
    struct value_account *account = adb_value_account_new();
    armdb_value first = make_value(account, 20);
    armdb_value second;
    adb_value_ref(&first, &second);
    adb_value_release(&first);
    expect_made(&second, 20);
    adb_value_release(&second);
    adb_value_account_unref(account);
}

static void
test_value__released__is_empty_and_may_be_released_again(void **state)
{
    (void)state;
    struct value_account *account = adb_value_account_new();
    armdb_value value = make_value(account, 50);
    for (int i = 0; i < 3; i++) {
        adb_value_release(&value);
        assert_int_equal(value.len, 0);
        assert_null(value.block);
        assert_int_equal(armdb_value_bytes(&value).len, 0);
    }
    adb_value_account_unref(account);
}

static void
test_value__account_given_back_first__lives_as_long_as_the_values(void **state)
{
    (void)state;
    struct value_account *account = adb_value_account_new();
    armdb_value first = make_value(account, 50);
    armdb_value second = make_value(account, 60);
    adb_value_account_unref(account);
    adb_value_release(&first);
    expect_made(&second, 60);
    adb_value_release(&second); /* frees the account; AddressSanitizer looks */
}

static void
test_value__no_memory__is_empty_and_not_counted(void **state)
{
    (void)state;
    struct value_account *account = adb_value_account_new();
    armdb_value value = {.len = 7};
    void *to;
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_value_new(account, 500, &value, &to), ARMDB_NO_MEMORY);
    expect_detail(ARMDB_NO_MEMORY, "500 bytes", NULL);
    assert_int_equal(value.len, 0);
    assert_null(value.block);
    assert_int_equal(bytes_out(account), 0);
    adb_mem_fail_at(1, false);
    assert_null(adb_value_account_new());
    adb_mem_fail_at(0, false);
    adb_value_account_unref(account);
    adb_value_account_unref(NULL);
}

static void
test_value__handles_of_a_closed_database__stay_valid(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const char *const texts[] = {"", "short", "exactly twenty bytes",
                                        "twenty-one bytes long",
                                        "a value of more than twenty bytes"};
    armdb_value values[5], copies[5];
    for (int i = 0; i < 5; i++) {
        put(fixture->collection, "key", texts[i]);
        assert_ok(adb_db_get_value(fixture->collection, armdb_str("key"), &values[i]));
        adb_value_ref(&values[i], &copies[i]);
    }
    assert_int_equal(stats_of(fixture->db).value_bytes, 21 + 33);
    close_db(fixture);
    for (int i = 0; i < 5; i++) {
        adb_value_release(&values[i]);
        assert_int_equal(copies[i].len, strlen(texts[i]));
        assert_memory_equal(armdb_value_bytes(&copies[i]).data, texts[i], strlen(texts[i]));
        adb_value_release(&copies[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value__up_to_20_bytes__need_no_memory),
        cmocka_unit_test(test_value__longer_ones__are_counted),
        cmocka_unit_test(test_value__copies__share_the_bytes_until_the_last_is_released),
        cmocka_unit_test(test_value__copies_of_short_ones__are_independent),
        cmocka_unit_test(test_value__released__is_empty_and_may_be_released_again),
        cmocka_unit_test(test_value__account_given_back_first__lives_as_long_as_the_values),
        cmocka_unit_test(test_value__no_memory__is_empty_and_not_counted),
        DB_TEST(test_value__handles_of_a_closed_database__stay_valid),
    };
    return cmocka_run_group_tests_name("db/value", tests, NULL, NULL);
}
