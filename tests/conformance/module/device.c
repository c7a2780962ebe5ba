/* /dev/conformance: programs of operations are written to it, one write at a time, and their results read from it.
 * Between the two the reader waits, and where time is real says when the machine has come to rest; run by ioctls. */
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "callers.h"
#include "interpreter.h"
#include "rest.h"
#include "scene.h"

#define LONGEST_TEXT (16 << 20)

/* What c_face.py calls them. */
#define WAIT _IO('c', 1) /* for results, or a question: 1: is the machine at rest? 2: no more programs, something hangs */
#define GOES_ON _IO('c', 2) /* 1: something will end by itself that no thread shows */
#define RESTED _IO('c', 3) /* the answer: 1: it is, 0: it does not come to rest */

enum stage { IDLE, RUNNING, ASKING, DEAD };

static DECLARE_WAIT_QUEUE_HEAD(changed);
/* Written by the one whose turn it is: to RUNNING by the device's user, to the others by the interpreter. */
static enum stage stage;
static bool rested; /* the user's answer */
static char *programs; /* the interpreter's while it is RUNNING or ASKING, like the results */
static struct text results;
static struct task_struct *interpreter;

static enum stage stage_now(void)
{
	return smp_load_acquire(&stage);
}

static void enter(enum stage next)
{
	smp_store_release(&stage, next);
	wake_up_all(&changed);
}

bool ask_for_rest(void)
{
	enter(ASKING);
	wait_event(changed, stage_now() != ASKING || kthread_should_stop());
	return stage_now() == RUNNING && rested;
}

static int interpret(void *unused)
{
	for (;;) {
		wait_event(changed, stage_now() == RUNNING || kthread_should_stop());
		if (kthread_should_stop())
			return 0;
		enter(run_programs(programs, &results) ? IDLE : DEAD);
	}
}

static bool users_turn(void)
{
	const enum stage now = stage_now();

	return now == IDLE || now == DEAD;
}

static ssize_t device_write(struct file *file, const char __user *text, size_t length, loff_t *position)
{
	char *copy;

	if (stage_now() == DEAD)
		return -EIO;
	if (!users_turn())
		return -EBUSY;
	if (length > LONGEST_TEXT)
		return -EFBIG;
	copy = memdup_user_nul(text, length);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	kfree(programs);
	programs = copy;
	text_clear(&results);
	*position = 0;
	enter(RUNNING);
	return length;
}

static ssize_t device_read(struct file *file, char __user *to, size_t length, loff_t *position)
{
	if (wait_event_interruptible(changed, users_turn()))
		return -ERESTARTSYS;
	if (results.short_of_memory)
		return -ENOMEM;
	return simple_read_from_buffer(to, length, position, results.start, results.length);
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	switch (command) {
	case WAIT:
		if (wait_event_interruptible(changed, stage_now() != RUNNING))
			return -ERESTARTSYS;
		return stage_now() == ASKING ? 1 : stage_now() == DEAD ? 2 : 0;
	case GOES_ON:
		return anything_goes_on();
	case RESTED:
		if (stage_now() != ASKING)
			return -EINVAL;
		rested = argument;
		enter(RUNNING);
		return 0;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.read = device_read,
	.write = device_write,
	.unlocked_ioctl = device_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "conformance",
	.fops = &operations,
};

static int __init conformance_start(void)
{
	int error = start_callers();

	if (error)
		return error;
	interpreter = kthread_create(interpret, NULL, "interpreter");
	if (IS_ERR(interpreter)) {
		error = PTR_ERR(interpreter);
		goto no_interpreter;
	}
	kthread_bind(interpreter, 0);
	wake_up_process(interpreter);
	error = misc_register(&device);
	if (!error)
		return 0;
	kthread_stop(interpreter);
no_interpreter:
	stop_callers();
	return error;
}

static void __exit conformance_stop(void)
{
	misc_deregister(&device);
	kthread_stop(interpreter);
	stop_callers();
	kfree(programs);
	text_free(&results);
}

module_init(conformance_start);
module_exit(conformance_stop);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("programs of operations on deferred work");
