/* A counter as a file in /proc: reading shows it, writing sets it, an item adds to it. */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static int counter;

static void add(struct work_struct *work)
{
	counter++;
}
static DECLARE_WORK(adder, add);

static int counter_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "counter is %d\n", counter);
	return 0;
}

static int counter_open(struct inode *inode, struct file *file)
{
	return single_open(file, counter_show, NULL);
}

static ssize_t counter_write(struct file *file, const char __user *buffer, size_t size, loff_t *at)
{
	char text[16];
	int error;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buffer, size))
		return -EFAULT;
	text[size] = '\0';
	error = kstrtoint(strim(text), 0, &counter);
	if (error)
		return error;
	schedule_work(&adder);
	return size;
}

static const struct proc_ops counter_ops = {
	.proc_open = counter_open,
	.proc_read = seq_read,
	.proc_write = counter_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int __init counter_start(void)
{
	return proc_create("counter", 0666, NULL, &counter_ops) ? 0 : -ENOMEM;
}

static void __exit counter_stop(void)
{
	remove_proc_entry("counter", NULL);
	flush_work(&adder);
}

module_init(counter_start);
module_exit(counter_stop);
MODULE_LICENSE("Dual BSD/GPL");
