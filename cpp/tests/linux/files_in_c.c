/* A module with files: /dev/letters, /dev/tool, /proc/shelf/books, /proc/numbers, /sys/kernel/debug/knobs. */
#include <linux/cdev.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/kfifo.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static int shelves = 1;
module_param(shelves, int, 0644);
MODULE_PARM_DESC(shelves, "how many");
static char *label = "none";
module_param(label, charp, 0444);
static bool loud;
module_param(loud, bool, 0);
static short sizes[3] = {1, 2, 3};
static int nr_sizes;
module_param_array(sizes, short, &nr_sizes, 0);
static char title[8] = "short";
module_param_string(title, title, sizeof(title), 0);

#define LETTERS_RESET _IO('L', 1)

static DECLARE_WAIT_QUEUE_HEAD(readable);
static DEFINE_KFIFO(letters, char, 64);
static DEFINE_MUTEX(reading);
static void deliver(struct work_struct *work);
static DECLARE_DELAYED_WORK(delivery, deliver);
static char mailbox = 'a';

static void deliver(struct work_struct *work) {
    (void)work;
    kfifo_put(&letters, mailbox++);
    wake_up_interruptible(&readable);
}

static int letters_open(struct inode *inode, struct file *file) {
    file->private_data = inode->i_cdev;
    return iminor(inode) == 0 ? 0 : -ENODEV;
}
static ssize_t letters_read(struct file *file, char __user *buf, size_t count, loff_t *ppos) {
    unsigned int copied = 0;
    int error;
    (void)ppos;
    if (mutex_lock_interruptible(&reading)) return -ERESTARTSYS;
    while (kfifo_is_empty(&letters)) {
        mutex_unlock(&reading);
        if (file->f_flags & O_NONBLOCK) return -EAGAIN;
        if (wait_event_interruptible(readable, !kfifo_is_empty(&letters))) return -ERESTARTSYS;
        if (mutex_lock_interruptible(&reading)) return -ERESTARTSYS;
    }
    error = kfifo_to_user(&letters, buf, (unsigned int)count, &copied);
    mutex_unlock(&reading);
    return error ? error : (ssize_t)copied;
}
static ssize_t letters_write(struct file *file, const char __user *buf, size_t count, loff_t *ppos) {
    char first;
    (void)file;
    (void)ppos;
    if (count == 0 || get_user(first, buf)) return -EFAULT;
    mailbox = first;
    schedule_delayed_work(&delivery, 2);
    return (ssize_t)count;
}
static __poll_t letters_poll(struct file *file, poll_table *table) {
    poll_wait(file, &readable, table);
    return EPOLLOUT | (kfifo_is_empty(&letters) ? 0 : EPOLLIN | EPOLLRDNORM);
}
static long letters_ioctl(struct file *file, unsigned int command, unsigned long argument) {
    (void)file;
    if (command != LETTERS_RESET) return -ENOTTY;
    kfifo_reset(&letters);
    return (long)argument;
}
static int letters_release(struct inode *inode, struct file *file) {
    (void)inode;
    (void)file;
    cancel_delayed_work_sync(&delivery);
    return 0;
}
static const struct file_operations letters_fops = {
    .owner = THIS_MODULE,
    .open = letters_open,
    .read = letters_read,
    .write = letters_write,
    .poll = letters_poll,
    .unlocked_ioctl = letters_ioctl,
    .release = letters_release,
};

static ssize_t tool_read(struct file *file, char __user *buf, size_t count, loff_t *ppos) {
    (void)file;
    return simple_read_from_buffer(buf, count, ppos, "hammer\n", 7);
}
static const struct file_operations tool_fops = {.owner = THIS_MODULE, .read = tool_read, .llseek = default_llseek};
static struct miscdevice tool = {.minor = MISC_DYNAMIC_MINOR, .name = "tool", .fops = &tool_fops};

static int books_show(struct seq_file *m, void *v) {
    (void)v;
    seq_printf(m, "%d shelves of %s\n", shelves, (const char *)m->private);
    return 0;
}
static void *numbers_start(struct seq_file *m, loff_t *pos) {
    (void)m;
    return *pos < 5 ? pos : NULL;
}
static void *numbers_next(struct seq_file *m, void *v, loff_t *pos) {
    (void)v;
    ++*pos;
    return numbers_start(m, pos);
}
static void numbers_stop(struct seq_file *m, void *v) {
    (void)m;
    (void)v;
}
static int numbers_show(struct seq_file *m, void *v) {
    seq_printf(m, "%lld\n", *(loff_t *)v);
    return 0;
}
static const struct seq_operations numbers_ops = {
    .start = numbers_start, .next = numbers_next, .stop = numbers_stop, .show = numbers_show};

static dev_t number;
static struct cdev cdev;
static struct class *cls;
static struct proc_dir_entry *shelf;
static struct dentry *knobs;
static u32 volume = 11;

static int __init files_init(void) {
    struct device *device;
    int error = alloc_chrdev_region(&number, 0, 1, "letters");
    if (error) return error;
    cdev_init(&cdev, &letters_fops);
    error = cdev_add(&cdev, number, 1);
    if (error) return error;
    cls = class_create("mail");
    device = device_create(cls, NULL, number, NULL, "letters");
    if (IS_ERR(device)) return (int)PTR_ERR(device);
    dev_info(device, "is there\n");
    error = misc_register(&tool);
    if (error) return error;
    shelf = proc_mkdir("shelf", NULL);
    proc_create_single_data("books", 0, shelf, books_show, label);
    proc_create_seq("numbers", 0, NULL, &numbers_ops);
    knobs = debugfs_create_dir("knobs", NULL);
    debugfs_create_u32("volume", 0644, knobs, &volume);
    return 0;
}
static void __exit files_exit(void) {
    debugfs_remove_recursive(knobs);
    remove_proc_entry("numbers", NULL);
    proc_remove(shelf);
    misc_deregister(&tool);
    device_destroy(cls, number);
    class_destroy(cls);
    cdev_del(&cdev);
    unregister_chrdev_region(number, 1);
}
module_init(files_init);
module_exit(files_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("bottomhalf");
MODULE_AUTHOR("somebody else");
MODULE_DESCRIPTION("files for a test");
MODULE_VERSION("1.0");
