/* Files that a module offers. Whoever opens one is in the same process (bottomhalf/linux/files.hpp). */
#ifndef _LINUX_FS_H
#define _LINUX_FS_H

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/ioctl.h>
#include <linux/kdev_t.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif
#ifndef O_RDONLY
#define O_ACCMODE 00000003
#define O_RDONLY 00000000
#define O_WRONLY 00000001
#define O_RDWR 00000002
#define O_CREAT 00000100
#define O_EXCL 00000200
#define O_TRUNC 00001000
#define O_APPEND 00002000
#define O_NONBLOCK 00004000
#endif
#define FMODE_READ 0x1u
#define FMODE_WRITE 0x2u

struct inode {
    umode_t i_mode;
    u32 __pad;
    u32 i_rdev;
    void *i_private;
    struct cdev *i_cdev;
    unsigned long i_ino;
};
struct qstr {
    u32 hash, len;
    const unsigned char *name;
};
struct dentry {
    struct qstr d_name;
    struct inode *d_inode;
    unsigned char d_iname[40]; /* the name, or its beginning */
};
struct path {
    void *mnt;
    struct dentry *dentry;
};
struct file {
    const struct file_operations *f_op;
    void *private_data;
    unsigned int f_flags;
    fmode_t f_mode;
    loff_t f_pos;
    struct inode *f_inode;
    struct path f_path;
};

struct vm_area_struct;
struct kiocb;
struct iov_iter;
struct file_operations {
    struct module *owner;
    loff_t (*llseek)(struct file *, loff_t, int);
    ssize_t (*read)(struct file *, char __user *, size_t, loff_t *);
    ssize_t (*write)(struct file *, const char __user *, size_t, loff_t *);
    __poll_t (*poll)(struct file *, struct poll_table_struct *);
    long (*unlocked_ioctl)(struct file *, unsigned int, unsigned long);
    long (*compat_ioctl)(struct file *, unsigned int, unsigned long);
    int (*mmap)(struct file *, struct vm_area_struct *);
    int (*open)(struct inode *, struct file *);
    int (*flush)(struct file *, void *);
    int (*release)(struct inode *, struct file *);
    int (*fsync)(struct file *, loff_t, loff_t, int);
    int (*fasync)(int, struct file *, int);
    ssize_t (*read_iter)(struct kiocb *, struct iov_iter *);
    ssize_t (*write_iter)(struct kiocb *, struct iov_iter *);
    unsigned long (*get_unmapped_area)(struct file *, unsigned long, unsigned long, unsigned long, unsigned long);
};

/* Nobody can ask for SIGIO: the list stays empty. */
struct fasync_struct;
static inline int fasync_helper(int fd, struct file *file, int on, struct fasync_struct **list) {
    (void)fd;
    (void)file;
    (void)on;
    (void)list;
    return 0;
}
static inline void kill_fasync(struct fasync_struct **list, int sig, int band) {
    (void)list;
    (void)sig;
    (void)band;
}
#define POLL_IN 1
#define POLL_OUT 2
#define POLL_HUP 6

#define file_inode(f) ((f)->f_inode)
#define file_dentry(f) ((f)->f_path.dentry)
#define iminor(inode) MINOR((inode)->i_rdev)
#define imajor(inode) MAJOR((inode)->i_rdev)

int nonseekable_open(struct inode *inode, struct file *file) __bh_symbol(nonseekable_open);
int stream_open(struct inode *inode, struct file *file) __bh_symbol(nonseekable_open);
int simple_open(struct inode *inode, struct file *file) __bh_symbol(simple_open);
loff_t default_llseek(struct file *file, loff_t offset, int whence) __bh_symbol(default_llseek);
loff_t noop_llseek(struct file *file, loff_t offset, int whence) __bh_symbol(noop_llseek);
loff_t fixed_size_llseek(struct file *file, loff_t offset, int whence, loff_t size) __bh_symbol(fixed_size_llseek);
#define no_llseek NULL
/* The path it was opened by, at the end of the buffer; -ENAMETOOLONG. */
char *file_path(struct file *file, char *buffer, int size) __bh_symbol(file_path);

int __bh_alloc_chrdev_region(u32 *dev, unsigned int first, unsigned int count, const char *name)
    __bh_symbol(alloc_chrdev_region);
static inline int alloc_chrdev_region(dev_t *dev, unsigned int first, unsigned int count, const char *name) {
    u32 number = 0;
    const int error = __bh_alloc_chrdev_region(&number, first, count, name);
    if (error == 0) *dev = number;
    return error;
}
int register_chrdev_region(dev_t first, unsigned int count, const char *name) __bh_symbol(register_chrdev_region);
void unregister_chrdev_region(dev_t first, unsigned int count) __bh_symbol(unregister_chrdev_region);
int register_chrdev(unsigned int major, const char *name, const struct file_operations *fops)
    __bh_symbol(register_chrdev);
void unregister_chrdev(unsigned int major, const char *name) __bh_symbol(unregister_chrdev);
#endif
