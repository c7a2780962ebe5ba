/* Files under /sys/kernel/debug. */
#ifndef _LINUX_DEBUGFS_H
#define _LINUX_DEBUGFS_H
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/types.h>
struct dentry *debugfs_create_dir(const char *name, struct dentry *parent) __bh_symbol(debugfs_create_dir);
struct dentry *debugfs_create_file(const char *name, umode_t mode, struct dentry *parent, void *data,
                                   const struct file_operations *fops) __bh_symbol(debugfs_create_file);
void __bh_debugfs_number(const char *name, umode_t mode, struct dentry *parent, void *value, unsigned int size,
                         int kind) __bh_symbol(debugfs_number);
struct debugfs_blob_wrapper {
    void *data;
    unsigned long size;
};
struct dentry *debugfs_create_blob(const char *name, umode_t mode, struct dentry *parent,
                                   struct debugfs_blob_wrapper *blob) __bh_symbol(debugfs_create_blob);
struct dentry *debugfs_lookup(const char *name, struct dentry *parent) __bh_symbol(debugfs_lookup);
void debugfs_remove(struct dentry *entry) __bh_symbol(debugfs_remove);
#define debugfs_create_file_unsafe debugfs_create_file
#define debugfs_remove_recursive(entry) debugfs_remove(entry)
/* kind: 0 decimal, 1 hexadecimal, 2 boolean, 3 signed */
#define debugfs_create_u8(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 1, 0)
#define debugfs_create_u16(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 2, 0)
#define debugfs_create_u32(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 4, 0)
#define debugfs_create_u64(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 8, 0)
#define debugfs_create_ulong(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 8, 0)
#define debugfs_create_size_t(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 8, 0)
#define debugfs_create_x32(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 4, 1)
#define debugfs_create_x64(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 8, 1)
#define debugfs_create_bool(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 1, 2)
#define debugfs_create_atomic_t(name, mode, parent, value) __bh_debugfs_number(name, mode, parent, value, 4, 3)
static inline bool debugfs_initialized(void) { return true; }
#endif
