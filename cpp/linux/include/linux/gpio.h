/* Pins by number: buttons, lamps, and the interrupts of buttons. What an input reads is set from outside, by
 * Machine.gpio(). gpio/consumer.h has the same pins by descriptor. */
#ifndef _LINUX_GPIO_H
#define _LINUX_GPIO_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/types.h>

#define GPIOF_IN (1 << 0)
#define GPIOF_OUT_INIT_LOW (0 << 0)
#define GPIOF_OUT_INIT_HIGH (1 << 1)

enum { __BH_NR_GPIOS = 1024, __BH_GPIO_IRQ = 1024 };

struct device;

int gpio_request(unsigned gpio, const char *label) __bh_symbol(gpio_request);
void gpio_free(unsigned gpio) __bh_symbol(gpio_free);
int gpio_direction_input(unsigned gpio) __bh_symbol(gpio_direction_input);
int gpio_direction_output(unsigned gpio, int value) __bh_symbol(gpio_direction_output);
int gpio_get_value(unsigned gpio) __bh_symbol(gpio_get_value);
void gpio_set_value(unsigned gpio, int value) __bh_symbol(gpio_set_value);

static inline bool gpio_is_valid(int number) { return number >= 0 && number < __BH_NR_GPIOS; }
static inline int gpio_to_irq(unsigned gpio) {
    return gpio_is_valid((int)gpio) ? __BH_GPIO_IRQ + (int)gpio : -EINVAL;
}
#define gpio_get_value_cansleep(gpio) gpio_get_value(gpio)
#define gpio_set_value_cansleep(gpio, value) gpio_set_value((gpio), (value))

static inline int __bh_gpio_set_up(unsigned gpio, unsigned long flags) {
    return (flags & GPIOF_IN) != 0 ? gpio_direction_input(gpio)
                                   : gpio_direction_output(gpio, (flags & GPIOF_OUT_INIT_HIGH) != 0);
}
static inline int gpio_request_one(unsigned gpio, unsigned long flags, const char *label) {
    int error = gpio_request(gpio, label);
    if (error != 0) return error;
    error = __bh_gpio_set_up(gpio, flags);
    if (error != 0) gpio_free(gpio);
    return error;
}
/* Nothing is freed with the device: gpio_free() it. */
static inline int devm_gpio_request(struct device *dev, unsigned gpio, const char *label) {
    (void)dev;
    return gpio_request(gpio, label);
}
static inline int devm_gpio_request_one(struct device *dev, unsigned gpio, unsigned long flags, const char *label) {
    (void)dev;
    return gpio_request_one(gpio, flags, label);
}

#ifdef BOTTOMHALF_LEGACY_API
#define GPIOF_DIR_OUT (0 << 0)
#define GPIOF_DIR_IN (1 << 0)
#define GPIOF_INIT_LOW (0 << 1)
#define GPIOF_INIT_HIGH (1 << 1)
struct gpio {
    unsigned gpio;
    unsigned long flags;
    const char *label;
};
static inline __bh_legacy("gpio_free_array() is gone since 6.10: call gpio_free() for each") void
gpio_free_array(const struct gpio *array, size_t num) {
    while (num-- != 0) gpio_free(array[num].gpio);
}
static inline __bh_legacy("gpio_request_array() is gone since 6.10: call gpio_request_one() for each") int
gpio_request_array(const struct gpio *array, size_t num) {
    size_t i;
    for (i = 0; i < num; ++i) {
        int error = gpio_request_one(array[i].gpio, array[i].flags, array[i].label);
        if (error == 0) continue;
        while (i-- != 0) gpio_free(array[i].gpio);
        return error;
    }
    return 0;
}
static inline __bh_legacy("gpio_export() is gone: Machine.gpio() shows the pin") int
gpio_export(unsigned gpio, bool direction_may_change) {
    (void)direction_may_change;
    return gpio_is_valid((int)gpio) ? 0 : -EINVAL;
}
static inline __bh_legacy("gpio_unexport() is gone") void gpio_unexport(unsigned gpio) { (void)gpio; }
static inline __bh_legacy("gpio_set_debounce() is gone: gpiod_set_debounce()") int
gpio_set_debounce(unsigned gpio, unsigned debounce) {
    (void)gpio;
    (void)debounce;
    return -ENOTSUPP;
}
#endif

#endif
