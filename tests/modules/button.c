/* A button and a lamp: the top half switches the lamp, a tasklet counts, a work item does what takes long. */
#include <linux/delay.h>
#include <linux/gpio.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/workqueue.h>

static int lamp = 4;
module_param(lamp, int, 0444);
static int button = 17;
module_param(button, int, 0444);
static int presses;
module_param(presses, int, 0444);

static void count(struct tasklet_struct *t)
{
	pr_info("button: press %d, in_softirq=%d\n", ++presses, in_softirq() != 0);
}
static DECLARE_TASKLET(counter, count);

static void at_leisure(struct work_struct *work)
{
	msleep(50);
	pr_info("button: the lamp is %s, in_task=%d\n", gpio_get_value(lamp) ? "on" : "off", in_task());
}
static DECLARE_WORK(rest, at_leisure);

static irqreturn_t pressed(int irq, void *dev)
{
	gpio_set_value(lamp, !gpio_get_value(lamp));
	tasklet_schedule(&counter);
	schedule_work(&rest);
	return IRQ_HANDLED;
}

static int __init button_start(void)
{
	int error = gpio_request_one(lamp, GPIOF_OUT_INIT_LOW, "lamp");

	if (error)
		return error;
	error = gpio_request_one(button, GPIOF_IN, "button");
	if (error)
		goto no_button;
	error = request_irq(gpio_to_irq(button), pressed, IRQF_TRIGGER_RISING, "button", &rest);
	if (error)
		goto no_irq;
	return 0;
no_irq:
	gpio_free(button);
no_button:
	gpio_free(lamp);
	return error;
}

static void __exit button_stop(void)
{
	free_irq(gpio_to_irq(button), &rest);
	tasklet_kill(&counter);
	cancel_work_sync(&rest);
	gpio_set_value(lamp, 0);
	gpio_free(button);
	gpio_free(lamp);
}

module_init(button_start);
module_exit(button_stop);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("A lamp that is switched by a button");
