/* Text, numbers, lists: what a module's C leans on. */
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/bitops.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/kdev_t.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/tty.h>
#include <linux/uaccess.h>

#include "check.h"

static void named_function(struct work_struct *work) { (void)work; }

int c_formats(void);
int c_formats(void) {
    char text[64];
    struct cpumask mask;
    const unsigned char mac[] = {1, 2, 0xab, 4, 5, 6};
    CHECK(snprintf(text, 4, "%s-%05d|%x|%lld", "abc", 42, 255, -1LL) == 15 && strcmp(text, "abc") == 0);
    CHECK(scnprintf(text, 4, "%s", "abcdef") == 3);
    CHECK(sprintf(text, "%zu %hhu %ld %c%%", sizeof(int), (unsigned char)7, 5L, 'x') == 8);
    CHECK(strcmp(text, "4 7 5 x%") == 0);
    sprintf(text, "%pM", mac);
    CHECK(strcmp(text, "01:02:ab:04:05:06") == 0);
    sprintf(text, "%*ph", 3, mac);
    CHECK(strcmp(text, "01 02 ab") == 0);
    sprintf(text, "%pe", ERR_PTR(-EINVAL));
    CHECK(strcmp(text, "-EINVAL") == 0);
    sprintf(text, "%pe %pe", ERR_PTR(-512), ERR_PTR(-2));
    CHECK(strcmp(text, "-ERESTARTSYS -ENOENT") == 0);
    sprintf(text, "%3c|%-3c|%s|%s", 'a', 'b', (char *)40, (char *)ERR_PTR(-ENOMEM));
    CHECK(strcmp(text, "  a|b  |(efault)|(efault)") == 0);
    cpumask_clear(&mask);
    cpumask_set_cpu(0, &mask);
    cpumask_set_cpu(1, &mask);
    cpumask_set_cpu(5, &mask);
    sprintf(text, "%*pbl", 8, cpumask_bits(&mask));
    CHECK(strcmp(text, "0-1,5") == 0);
    sprintf(text, "%p", (void *)named_function);
    CHECK(strlen(text) == 16);
    sprintf(text, "%ps", (void *)named_function);
    CHECK(strlen(text) > 0);
    return 0;
}

int c_log_lines(void);
int c_log_lines(void) {
    printk("no level\n");
    pr_info("first");
    pr_cont(" and %s\n", "second");
    pr_err("two\nlines\n");
    printk(KERN_DEBUG "debug %d\n", 1);
    pr_debug("never %d\n", 2);
    print_hex_dump(KERN_INFO, "hex ", DUMP_PREFIX_OFFSET, 16, 4, "abcdefgh12345678AB", 18, true);
    for (int i = 0; i < 20; ++i) pr_warn_ratelimited("often\n");
    for (int i = 0; i < 3; ++i) pr_notice_once("once\n");
    WARN_ON(1 == 1);
    CHECK(WARN_ON_ONCE(true) && !WARN(false, "not %d", 1));
    return 0;
}

int c_bug(void);
int c_bug(void) {
    BUG_ON(true);
    return 0;
}

struct element {
    int value;
    struct list_head link;
    struct hlist_node hash;
};
int c_lists(void);
int c_lists(void) {
    LIST_HEAD(head);
    HLIST_HEAD(bucket);
    struct element e[3], *pos, *next;
    int sum = 0;
    for (int i = 0; i < 3; ++i) {
        e[i].value = i;
        list_add_tail(&e[i].link, &head);
        hlist_add_head(&e[i].hash, &bucket);
    }
    list_for_each_entry(pos, &head, link) sum = sum * 10 + pos->value;
    CHECK(sum == 12 && list_first_entry(&head, struct element, link) == &e[0]);
    list_move(&e[2].link, &head);
    sum = 0;
    list_for_each_entry_safe(pos, next, &head, link) {
        sum = sum * 10 + pos->value;
        list_del(&pos->link);
    }
    CHECK(sum == 201 && list_empty(&head));
    sum = 0;
    hlist_for_each_entry(pos, &bucket, hash) sum = sum * 10 + pos->value;
    CHECK(sum == 210);
    return 0;
}

int c_numbers(void);
int c_numbers(void) {
    CHECK(DIV_ROUND_CLOSEST(0u, 2u) == 0 && DIV_ROUND_CLOSEST(3u, 2u) == 2 && DIV_ROUND_CLOSEST(-3, 2) == -2);
    CHECK(DIV_ROUND_CLOSEST(0, 3) == 0 && DIV_ROUND_CLOSEST(-1, 3) == 0 && MKDEV(4095, 1) >> MINORBITS == 4095);
    int i = 0;
    unsigned long bits[2] = {0, 0};
    atomic_t a = ATOMIC_INIT(1);
    u64 n = 1000000007;
    bool b = false;
    CHECK(kstrtoint("-0x10\n", 0, &i) == 0 && i == -16);
    CHECK(kstrtoint("12a", 10, &i) == -EINVAL && kstrtoint("99999999999", 10, &i) == -ERANGE);
    CHECK(kstrtobool("on", &b) == 0 && b);
    set_bit(65, bits);
    CHECK(test_bit(65, bits) && find_first_bit(bits, 128) == 65 && test_and_clear_bit(65, bits));
    CHECK(atomic_add_return(2, &a) == 3 && atomic_cmpxchg(&a, 3, 9) == 3 && atomic_dec_return(&a) == 8);
    CHECK(atomic_inc_not_zero(&a) && !atomic_dec_and_test(&a) && atomic_xchg(&a, 0) == 8);
    CHECK(do_div(n, 10) == 7 && n == 100000000);
    CHECK(min(3, 4) == 3 && max_t(long, 3, 4) == 4 && clamp(9, 1, 5) == 5 && DIV_ROUND_UP(7, 2) == 4);
    CHECK(roundup_pow_of_two(5) == 8 && ilog2(1024) == 10 && fls(8) == 4 && hweight32(7) == 3);
    CHECK(IS_ERR(ERR_PTR(-ENOMEM)) && PTR_ERR(ERR_PTR(-ENOMEM)) == -ENOMEM && !IS_ERR(&i));
    return 0;
}

int c_strings(void);
int c_strings(void) {
    char small[4], text[32] = "  padded  ";
    char *copy = kstrdup("copied", GFP_KERNEL);
    CHECK(strscpy(small, "abcdef", sizeof(small)) == -E2BIG && strcmp(small, "abc") == 0);
    CHECK(strscpy(small, "ab") == 2);
    CHECK(strcmp(strim(text), "padded") == 0);
    strcpy(text, "one");
    strncpy(text + 3, "two", 4);
    CHECK(strcmp(text, "onetwo") == 0 && strstr(text, "two") == text + 3 && strlen(text) == 6);
    memcpy(text, "xyz", 4);
    CHECK(memcmp(text, "xyz", 3) == 0 && sysfs_streq("a\n", "a") && !strcmp(copy, "copied"));
    CHECK(toupper('a') == 'A' && isdigit('7'));
    copy = (char *)krealloc(copy, 100, GFP_KERNEL);
    CHECK(strcmp(copy, "copied") == 0);
    kfree(copy);
    CHECK(copy_to_user(NULL, text, 3) == 3 && copy_from_user(small, "ab", 3) == 0);
    return 0;
}

int c_options(void);
int c_options(void) {
    char text[] = "12,-3,0x10,4-6x", *at = text, *end;
    int value, ints[8];
    CHECK(get_option(&at, &value) == 2 && value == 12);
    CHECK(get_option(&at, &value) == 2 && value == -3);
    CHECK(get_option(&at, &value) == 2 && value == 16);
    CHECK(get_option(&at, &value) == 3 && value == 4 && strcmp(at, "-6x") == 0);
    at = text + 14;
    CHECK(get_option(&at, &value) == 0 && *at == 'x');
    at = text + 15;
    CHECK(get_option(&at, NULL) == 0);
    end = get_options("7,2-5,9", 8, ints);
    CHECK(*end == '\0' && ints[0] == 6 && ints[1] == 7 && ints[2] == 2 && ints[5] == 5 && ints[6] == 9);
    end = get_options("1,2,3,4", 3, ints); /* full */
    CHECK(strcmp(end, "3,4") == 0 && ints[0] == 2 && ints[2] == 2);
    end = get_options("1-3,8", 0, ints); /* counts only */
    CHECK(*end == '\0' && ints[0] == 4);
    end = get_options("1-9", 4, ints); /* more than there is room for, as recorded */
    CHECK(strcmp(end, "9") == 0 && ints[0] == 8 && ints[1] == 1 && ints[3] == 3);
    end = get_options("5-2,7", 8, ints);
    CHECK(strcmp(end, "2,7") == 0 && ints[0] == 0);
    end = get_options("-2-1,4", 8, ints);
    CHECK(*end == '\0' && ints[0] == 5 && ints[1] == -2 && ints[3] == 0 && ints[4] == 1 && ints[5] == 4);
    CHECK(*get_options("", 8, ints) == '\0' && ints[0] == 0);
    end = get_options("5,word", 8, ints);
    CHECK(strcmp(end, "word") == 0 && ints[0] == 1 && ints[1] == 5);
    CHECK(memparse("64k", &end) == 65536 && *end == '\0' && memparse("2M,", &end) == 2097152 && *end == ',');
    CHECK(memparse("0x10", NULL) == 16);
    return 0;
}

static DEFINE_STATIC_KEY_FALSE(off_key);
static DEFINE_STATIC_KEY_TRUE(on_key);
int c_static_keys(void);
int c_static_keys(void) {
    CHECK(!static_branch_unlikely(&off_key) && static_branch_likely(&on_key));
    static_branch_enable(&off_key);
    static_branch_enable(&off_key);
    static_branch_disable(&on_key);
    CHECK(static_branch_likely(&off_key) && !static_branch_unlikely(&on_key));
    static_branch_disable(&off_key);
    static_branch_inc(&on_key);
    static_branch_inc(&on_key);
    static_branch_dec(&on_key);
    CHECK(!static_key_enabled(&off_key) && static_key_enabled(&on_key) && static_key_count(&on_key.key) == 1);
    return 0;
}

/* What modules look at in passing. */
int c_looks(void);
int c_looks(void) {
    struct kobject named = {};
    CHECK(kobject_set_name(&named, "scull%c%d", 'u', 0) == 0 && strcmp(kobject_name(&named), "scullu0") == 0);
    CHECK(!signal_pending(current) && (current->pending.signal.sig[0] & ~current->blocked.sig[0]) == 0);
    CHECK(current->signal->tty == NULL && get_current_tty() == NULL);
    CHECK(phys_to_virt(virt_to_phys(&on_key)) == &on_key);
    return 0;
}
