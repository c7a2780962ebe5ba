/* Three devices of one driver, without nodes: each reads as its minor number. */
#include <linux/cdev.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/uaccess.h>

static dev_t first;
static struct cdev devices;

static ssize_t number_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	char digit = '0' + iminor(file_inode(file));

	return simple_read_from_buffer(buf, size, pos, &digit, 1);
}
static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.read = number_read,
};

static int __init numbers_start(void)
{
	int error = alloc_chrdev_region(&first, 0, 3, "numbers");

	if (error)
		return error;
	cdev_init(&devices, &operations);
	error = cdev_add(&devices, first, 3);
	if (error)
		unregister_chrdev_region(first, 3);
	return error;
}

static void __exit numbers_stop(void)
{
	cdev_del(&devices);
	unregister_chrdev_region(first, 3);
}

module_init(numbers_start);
module_exit(numbers_stop);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("Devices that know their numbers");
