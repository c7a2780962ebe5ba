/* Two files whose readers wait for a writer: /proc/shelf and /dev/shelf, the latter with an owner or without. Without, a
   writer could still be in here when the module goes; interrupt 7 does the same, and exit waits for its handler. */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

static bool owned = true;
module_param(owned, bool, 0444);
static bool stuck;
module_param(stuck, bool, 0444);
static int result;
module_param(result, int, 0444);
static bool sleeper;
module_param(sleeper, bool, 0444);

static DECLARE_COMPLETION(written);

/* Sleeps where its frame has something to undo, and is woken by exit, which does not wait for it. */
static DECLARE_WAIT_QUEUE_HEAD(queue);
static bool over;
static int sleep_on(void *unused)
{
	wait_event_interruptible(queue, READ_ONCE(over));
	pr_info("shelf: the sleeper goes on\n");
	return 0;
}

static int shelf_open(struct inode *inode, struct file *file)
{
	pr_info("shelf: %s opened\n", file->f_path.dentry->d_iname);
	return 0;
}

static int shelf_release(struct inode *inode, struct file *file)
{
	pr_info("shelf: closed\n");
	return 0;
}

static ssize_t shelf_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	pr_info("shelf: reading\n");
	wait_for_completion(&written);
	return simple_read_from_buffer(to, size, pos, "book\n", 5);
}

static ssize_t shelf_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	complete_all(&written);
	return size;
}

static irqreturn_t shelf_irq(int irq, void *unused)
{
	complete_all(&written);
	return IRQ_HANDLED;
}

static const struct proc_ops proc_fops = {
	.proc_open = shelf_open,
	.proc_read = shelf_read,
	.proc_write = shelf_write,
	.proc_release = shelf_release,
};

static struct file_operations dev_fops = {
	.open = shelf_open,
	.read = shelf_read,
	.write = shelf_write,
	.release = shelf_release,
};
static struct miscdevice shelf = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "shelf",
	.fops = &dev_fops,
};

static int __init shelf_start(void)
{
	int error;

	if (sleeper)
		kthread_run(sleep_on, NULL, "sleeper");
	if (owned)
		dev_fops.owner = THIS_MODULE;
	else if (request_irq(7, shelf_irq, 0, "shelf", &written) != 0)
		return -EBUSY;
	if (proc_create("shelf", 0666, NULL, &proc_fops) == NULL)
		return -ENOMEM;
	error = misc_register(&shelf);
	if (error == 0 && stuck) {
		pr_info("shelf: init waits\n");
		wait_for_completion(&written);
		error = result;
	}
	if (error != 0) {
		misc_deregister(&shelf);
		remove_proc_entry("shelf", NULL);
	}
	return error;
}

static void __exit shelf_stop(void)
{
	pr_info("shelf: exit\n");
	misc_deregister(&shelf);
	remove_proc_entry("shelf", NULL);
	if (!owned)
		free_irq(7, &written);
	WRITE_ONCE(over, true);
	if (sleeper)
		wake_up(&queue);
	pr_info("shelf: empty\n");
}

module_init(shelf_start);
module_exit(shelf_stop);
MODULE_LICENSE("Dual BSD/GPL");
