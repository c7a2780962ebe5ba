/* The pins of <linux/gpio.h> by descriptor. There is no firmware that gives a device its pins: gpio_to_desc() does. */
#ifndef _LINUX_GPIO_CONSUMER_H
#define _LINUX_GPIO_CONSUMER_H

#include <linux/gpio.h>

struct gpio_desc; /* never looked into: its address is the pin's number and one */

static inline struct gpio_desc *gpio_to_desc(unsigned gpio) {
    return gpio_is_valid((int)gpio) ? (struct gpio_desc *)((unsigned long)gpio + 1) : NULL;
}
static inline int desc_to_gpio(const struct gpio_desc *desc) { return (int)((unsigned long)desc - 1); }
int __bh_gpiod_get_direction(unsigned gpio) __bh_symbol(gpiod_get_direction);

/* A descriptor of NULL is an optional pin that is not there: reading gives 0, and setting does nothing. */
static inline int gpiod_get_direction(struct gpio_desc *desc) {
    return desc == NULL ? -EINVAL : __bh_gpiod_get_direction((unsigned)desc_to_gpio(desc));
}
static inline int gpiod_direction_input(struct gpio_desc *desc) {
    return desc == NULL ? 0 : gpio_direction_input((unsigned)desc_to_gpio(desc));
}
static inline int gpiod_direction_output(struct gpio_desc *desc, int value) {
    return desc == NULL ? 0 : gpio_direction_output((unsigned)desc_to_gpio(desc), value);
}
static inline int gpiod_get_value(const struct gpio_desc *desc) {
    return desc == NULL ? 0 : gpio_get_value((unsigned)desc_to_gpio(desc));
}
static inline void gpiod_set_value(struct gpio_desc *desc, int value) {
    if (desc != NULL) gpio_set_value((unsigned)desc_to_gpio(desc), value);
}
static inline int gpiod_to_irq(const struct gpio_desc *desc) {
    return desc == NULL ? -EINVAL : gpio_to_irq((unsigned)desc_to_gpio(desc));
}
static inline int gpiod_cansleep(const struct gpio_desc *desc) {
    (void)desc;
    return 0;
}
static inline int gpiod_is_active_low(const struct gpio_desc *desc) {
    (void)desc;
    return 0;
}
/* There is nothing that bounces, and nothing that waits it out. */
static inline int gpiod_set_debounce(struct gpio_desc *desc, unsigned debounce) {
    (void)desc;
    (void)debounce;
    return -ENOTSUPP;
}
#define gpiod_direction_output_raw(desc, value) gpiod_direction_output((desc), (value))
#define gpiod_get_raw_value(desc) gpiod_get_value(desc)
#define gpiod_set_raw_value(desc, value) gpiod_set_value((desc), (value))
#define gpiod_get_value_cansleep(desc) gpiod_get_value(desc)
#define gpiod_set_value_cansleep(desc, value) gpiod_set_value((desc), (value))
#define gpiod_get_raw_value_cansleep(desc) gpiod_get_value(desc)
#define gpiod_set_raw_value_cansleep(desc, value) gpiod_set_value((desc), (value))

#endif
