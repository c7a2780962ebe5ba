/* <linux/gpio.h> and <linux/gpio/consumer.h>: what a module's calls answer. */
#include <linux/gpio.h>
#include <linux/gpio/consumer.h>
#include <linux/interrupt.h>
#include <linux/module.h>

#include "check.h"

static irqreturn_t nothing(int irq, void *dev) {
    (void)irq;
    (void)dev;
    return IRQ_HANDLED;
}

int c_gpio(void);
int c_gpio(void) {
    CHECK(gpio_is_valid(0) && gpio_is_valid(1023) && !gpio_is_valid(1024) && !gpio_is_valid(-1));
    CHECK(gpio_request(4, "lamp") == 0);
    CHECK(gpio_request(4, "another") == -EBUSY);
    CHECK(gpio_direction_output(4, 1) == 0 && gpio_get_value(4) == 1);
    gpio_set_value(4, 0);
    CHECK(gpio_get_value(4) == 0);
    gpio_set_value(4, 42);
    CHECK(gpio_get_value_cansleep(4) == 1);
    /* As an input it reads what is outside, whatever is written to it. */
    CHECK(gpio_direction_input(4) == 0);
    gpio_set_value(4, 0);
    CHECK(gpio_get_value(4) == 1);
    gpio_free(4);
    CHECK(gpio_request_one(4, GPIOF_OUT_INIT_HIGH, "lamp") == 0 && gpio_get_value(4) == 1);
    gpio_free(4);
    CHECK(gpio_request_one(4, GPIOF_OUT_INIT_LOW, NULL) == 0 && gpio_get_value(4) == 0);
    gpio_free(4);

    CHECK(gpio_request_one(17, GPIOF_IN, "button") == 0);
    CHECK(gpio_to_irq(17) > 0 && gpio_to_irq(18) == gpio_to_irq(17) + 1);
    CHECK(request_irq((unsigned)gpio_to_irq(17), nothing, IRQF_TRIGGER_RISING, "button", NULL) == 0);
    CHECK(gpio_direction_output(17, 0) == -EIO);
    free_irq((unsigned)gpio_to_irq(17), NULL);
    CHECK(gpio_direction_output(17, 0) == 0);
    gpio_free(17);
    return 0;
}

int c_gpio_descriptors(void);
int c_gpio_descriptors(void) {
    struct gpio_desc *lamp = gpio_to_desc(512 + 4);
    CHECK(lamp != NULL && desc_to_gpio(lamp) == 516 && gpio_to_desc(0) != NULL && gpio_to_desc(4096) == NULL);
    CHECK(gpiod_get_direction(lamp) == 1);
    CHECK(gpiod_direction_output(lamp, 1) == 0 && gpiod_get_direction(lamp) == 0 && gpiod_get_value(lamp) == 1);
    gpiod_set_value(lamp, 0);
    CHECK(gpiod_get_value(lamp) == 0 && gpiod_to_irq(lamp) == gpio_to_irq(516));
    CHECK(gpiod_direction_input(lamp) == 0 && gpiod_set_debounce(lamp, 100) == -ENOTSUPP);
    /* One that is optional and not there. */
    gpiod_set_value(NULL, 1);
    CHECK(gpiod_get_value(NULL) == 0 && gpiod_direction_output(NULL, 1) == 0 && gpiod_to_irq(NULL) == -EINVAL);
    return 0;
}

int c_gpio_misuse(void);
int c_gpio_misuse(void) {
    CHECK(gpio_request(5000, "nowhere") == -EINVAL && gpio_to_irq(5000) == -EINVAL);
    CHECK(gpio_direction_input(5000) == -EINVAL && gpio_direction_output(5000, 1) == -EINVAL);
    gpio_set_value(5000, 1);
    gpio_free(5); /* "not requested" */
    return 0;
}
