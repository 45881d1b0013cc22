/* Keys and views of typed.h. */
#include "armdb/typed.h"

#include "api_fixture.h"

struct account {
    int64_t balance;
    uint32_t owner;
    uint32_t flags;
};

ARMDB_DEFINE_KEY_BYTES(token, 3);
ARMDB_DEFINE_KEY_PAIR(owner_time, u32, i64);
ARMDB_DEFINE_KEY_PAIR(nested, owner_time, token);
ARMDB_DEFINE_TYPED(accounts, owner_time, struct account, 8 + 4 + 4);
ARMDB_DEFINE_TYPED(flags, nested, uint8_t, 1);

static int
sign(int64_t number)
{
    return (number > 0) - (number < 0);
}

/* Numbers at the ends of the range, around 0, and anywhere. */
static uint64_t
draw(struct test_rng *rng)
{
    uint64_t number = test_rng_next(rng);
    switch (test_rng_next(rng) % 4) {
    case 0:
        return number % 5;
    case 1:
        return UINT64_MAX - number % 5;
    case 2:
        return (UINT64_C(1) << 63) + number % 5 - 2;
    default:
        return number;
    }
}

static void
test_api_typed__encoded_numbers__have_the_order_of_the_numbers(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_make(test_seed());
    for (int i = 0; i < 2000; i++) {
        unsigned char a[8], b[8];
        uint64_t x = draw(&rng), y = draw(&rng);
        int order = (x > y) - (x < y);
        armdb_key_u64_encode(a, x);
        armdb_key_u64_encode(b, y);
        assert_int_equal(sign(memcmp(a, b, 8)), order);
        assert_true(armdb_key_u64_decode(a) == x);
        int64_t p = (int64_t)x, q = (int64_t)y;
        order = (p > q) - (p < q);
        armdb_key_i64_encode(a, p);
        armdb_key_i64_encode(b, q);
        assert_int_equal(sign(memcmp(a, b, 8)), order);
        assert_true(armdb_key_i64_decode(a) == p);
        uint32_t v = (uint32_t)x, w = (uint32_t)y;
        order = (v > w) - (v < w);
        armdb_key_u32_encode(a, v);
        armdb_key_u32_encode(b, w);
        assert_int_equal(sign(memcmp(a, b, 4)), order);
        assert_int_equal(armdb_key_u32_decode(a), v);
    }
}

static void
test_api_typed__pairs__are_parts_one_after_the_other(void **state)
{
    (void)state;
    static const unsigned char expected[] = {1,    2,    3,    4,    0x7f, 0xff, 0xff, 0xff,
                                             0xff, 0xff, 0xff, 0xff, 'a',  'b',  'c'};
    const armdb_key_nested key = {{0x01020304, -1}, {{'a', 'b', 'c'}}};
    unsigned char bytes[ARMDB_KEY_BYTES_nested];
    armdb_key_nested_encode(bytes, key);
    assert_int_equal(sizeof bytes, sizeof expected);
    assert_memory_equal(bytes, expected, sizeof expected);
    armdb_key_nested decoded = armdb_key_nested_decode(bytes);
    assert_int_equal(decoded.first.first, 0x01020304);
    assert_int_equal(decoded.first.second, -1);
    assert_memory_equal(decoded.second.bytes, "abc", 3);
}

static void
test_api_typed__view__does_what_its_collection_does(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    const struct account account = {-5, 7, 1}, other = {6, 8, 2};
    const armdb_key_owner_time key = {7, -1};
    struct account found;
    accounts view;
    bool is_there;
    assert_ok(accounts_open(fixture->db, "accounts", ARMDB_UNORDERED, &view));
    assert_int_equal(accounts_get(view, key, &found), ARMDB_NOT_FOUND);
    assert_ok(accounts_insert(view, key, &account, NULL));
    assert_int_equal(accounts_insert(view, key, &other, NULL), ARMDB_EXISTS);
    assert_ok(accounts_get(view, key, &found));
    assert_memory_equal(&found, &account, sizeof found);
    assert_ok(accounts_put(view, key, &other, NULL));
    close_db(fixture);
    open_db(fixture);
    assert_ok(accounts_open(fixture->db, "accounts", ARMDB_ORDER_DEFAULT, &view));
    assert_ok(accounts_get(view, key, &found));
    assert_memory_equal(&found, &other, sizeof found);
    assert_ok(accounts_contains(view, key, &is_there));
    assert_true(is_there);
    assert_ok(accounts_delete(view, key, NULL));
    assert_int_equal(accounts_delete(view, key, NULL), ARMDB_NOT_FOUND);
}

static void
test_api_typed__collection_of_another_kind__is_not_opened(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    accounts first;
    flags second = {fixture->collection};
    assert_ok(accounts_open(fixture->db, "accounts", ARMDB_ASCENDING, &first));
    assert_int_equal(flags_open(fixture->db, "accounts", ARMDB_ASCENDING, &second), ARMDB_MISMATCH);
    assert_null(second.collection);
    assert_int_equal(accounts_open(fixture->db, "accounts", ARMDB_UNORDERED, &first),
                     ARMDB_MISMATCH);
}

static void
test_api_typed__cursor__walks_a_range_and_seeks(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    const armdb_key_owner_time from = {2, -2}, to = {3, 0};
    accounts view;
    armdb_cursor *cursor;
    assert_ok(accounts_open(fixture->db, "accounts", ARMDB_ASCENDING, &view));
    for (uint32_t owner = 1; owner < 5; owner++) {
        for (int64_t time = -3; time < 3; time++) {
            const armdb_key_owner_time key = {owner, time};
            const struct account account = {time, owner, 0};
            assert_ok(accounts_put(view, key, &account, NULL));
        }
    }
    assert_ok(accounts_range(view, &from, &to, &cursor));
    assert_int_equal(accounts_value(cursor).owner, 0);
    for (int64_t i = 0; i < 5 + 3; i++) {
        assert_ok(armdb_cursor_next(cursor));
        assert_int_equal(accounts_key(cursor).first, i < 5 ? 2 : 3);
        assert_int_equal(accounts_key(cursor).second, i < 5 ? i - 2 : i - 8);
        assert_int_equal(accounts_value(cursor).owner, i < 5 ? 2 : 3);
        assert_int_equal(accounts_value(cursor).balance, i < 5 ? i - 2 : i - 8);
    }
    assert_int_equal(armdb_cursor_next(cursor), ARMDB_END);
    const armdb_key_owner_time within = {2, 1};
    assert_ok(accounts_seek(cursor, within));
    assert_int_equal(accounts_value(cursor).balance, 1);
    armdb_cursor_close(cursor);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_typed__encoded_numbers__have_the_order_of_the_numbers),
        cmocka_unit_test(test_api_typed__pairs__are_parts_one_after_the_other),
        API_TEST(test_api_typed__view__does_what_its_collection_does),
        API_TEST(test_api_typed__collection_of_another_kind__is_not_opened),
        API_TEST(test_api_typed__cursor__walks_a_range_and_seeks),
    };
    return cmocka_run_group_tests_name("api/api_typed", tests, NULL, NULL);
}
