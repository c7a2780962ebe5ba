#ifndef _LINUX_RCULIST_H
#define _LINUX_RCULIST_H
#include <linux/list.h>
#include <linux/rcupdate.h>
#define list_add_rcu(e, h) list_add(e, h)
#define list_add_tail_rcu(e, h) list_add_tail(e, h)
#define list_del_rcu(e) __list_del_entry(e)
#define list_for_each_entry_rcu(pos, head, member, ...) list_for_each_entry(pos, head, member)
#endif
