// The C structs are the engine's objects: each field lies where the engine has it.
#include <cstddef>

#include "bottomhalf/linux/gpio.hpp"
#include "bottomhalf/machine/machine.hpp"
#include "hrtimer.hpp"
#include "kthread_worker.hpp"
#include "layout_probe.hpp"
#include "seq_file.hpp"

// Both have the records of a module, under the same names.
#define kernel_param_ops cpp_kernel_param_ops
#define kernel_param cpp_kernel_param
#define bh_module_record cpp_module_record
#include "module_record.hpp"
#undef kernel_param_ops
#undef kernel_param
#undef bh_module_record

#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/gpio.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

namespace bottomhalf {

#define BH_SAME_SIZE(c, engine) static_assert(sizeof(c) == sizeof(engine) && alignof(c) >= alignof(engine))
#define BH_SAME_PLACE(c, field, engine, member) static_assert(offsetof(c, field) == offsetof(engine, member))

#pragma GCC diagnostic ignored "-Winvalid-offsetof"

BH_SAME_SIZE(work_struct, Work);
BH_SAME_PLACE(work_struct, data, Work, data);
BH_SAME_PLACE(work_struct, entry, Work, entry);
BH_SAME_PLACE(work_struct, func, Work, func);
BH_SAME_SIZE(timer_list, Timer);
BH_SAME_PLACE(timer_list, entry, Timer, node);
BH_SAME_PLACE(timer_list, expires, Timer, expires);
BH_SAME_PLACE(timer_list, function, Timer, function);
BH_SAME_PLACE(timer_list, flags, Timer, flags);
BH_SAME_PLACE(timer_list, __base, Timer, base);
BH_SAME_SIZE(delayed_work, DelayedWork);
BH_SAME_PLACE(delayed_work, timer, DelayedWork, timer);
BH_SAME_PLACE(delayed_work, wq, DelayedWork, wq);
BH_SAME_PLACE(delayed_work, cpu, DelayedWork, cpu);
BH_SAME_SIZE(rcu_work, RcuWork);
BH_SAME_PLACE(rcu_work, rcu, RcuWork, rcu);
BH_SAME_PLACE(rcu_work, wq, RcuWork, wq);
BH_SAME_SIZE(rcu_head, RcuHead);
BH_SAME_PLACE(rcu_head, func, RcuHead, func);

BH_SAME_PLACE(tasklet_struct, next, Tasklet, next);
BH_SAME_PLACE(tasklet_struct, __state, Tasklet, state);
BH_SAME_PLACE(tasklet_struct, count, Tasklet, count);
BH_SAME_PLACE(tasklet_struct, callback, Tasklet, callback);
BH_SAME_PLACE(tasklet_struct, __cpu, Tasklet, cpu);
static_assert(sizeof(tasklet_struct) >= sizeof(Tasklet));
namespace {
struct Whole : Tasklet {  // as in tasklet.cpp
    bool use_callback;
    void (*func)(unsigned long);
    unsigned long data;
};
}  // namespace
BH_SAME_SIZE(tasklet_struct, Whole);
BH_SAME_PLACE(tasklet_struct, use_callback, Whole, use_callback);
BH_SAME_PLACE(tasklet_struct, func, Whole, func);
BH_SAME_PLACE(tasklet_struct, data, Whole, data);

#ifndef BH_EXPLORE  // there a lock also knows its holder
BH_SAME_SIZE(spinlock_t, SpinLock);
static_assert(offsetof(spinlock_t, __owner) == LayoutProbe::spin_owner);
static_assert(offsetof(spinlock_t, __parked) == LayoutProbe::spin_parked);
static_assert(offsetof(spinlock_t, __wait_lock) == LayoutProbe::spin_wait_lock);
static_assert(offsetof(spinlock_t, __waiting) == LayoutProbe::spin_waiting);
BH_SAME_SIZE(wait_queue_head_t, WaitQueue);
static_assert(offsetof(wait_queue_head_t, __lock) == LayoutProbe::queue_lock);
static_assert(offsetof(wait_queue_head_t, head) == LayoutProbe::queue_waiters);
BH_SAME_SIZE(::mutex, Mutex);
static_assert(offsetof(::mutex, __owner) == LayoutProbe::mutex_owner);
static_assert(offsetof(::mutex, __lock) == LayoutProbe::mutex_waiters + LayoutProbe::queue_lock);
static_assert(offsetof(::mutex, __waiters) == LayoutProbe::mutex_waiters + LayoutProbe::queue_waiters);
BH_SAME_SIZE(::completion, Completion);
static_assert(offsetof(::completion, __lock) == LayoutProbe::completion_lock);
static_assert(offsetof(::completion, done) == LayoutProbe::completion_done);
static_assert(offsetof(::completion, __waiters) == LayoutProbe::completion_waiters);
static_assert(LayoutProbe::list_head == 0 && sizeof(List) == sizeof(list_head));
BH_SAME_SIZE(wait_queue_entry_t, WaitQueue::Entry);
BH_SAME_PLACE(wait_queue_entry_t, __task, WaitQueue::Entry, task);
BH_SAME_PLACE(wait_queue_entry_t, entry, WaitQueue::Entry, node);
BH_SAME_PLACE(wait_queue_entry_t, __exclusive, WaitQueue::Entry, exclusive);
BH_SAME_PLACE(wait_queue_entry_t, __stays, WaitQueue::Entry, stays);
BH_SAME_PLACE(wait_queue_entry_t, __mode, WaitQueue::Entry, mode);
static_assert(offsetof(rw_semaphore, __count) == 4 && offsetof(rw_semaphore, __waiters) == 8);
#endif

BH_SAME_PLACE(task_struct, __domain, Task, domain);
BH_SAME_PLACE(task_struct, __cpu, Task, cpu);
BH_SAME_PLACE(task_struct, nice, Task, nice);
BH_SAME_PLACE(task_struct, pid, Task, pid);
BH_SAME_PLACE(task_struct, comm, Task, name);
BH_SAME_PLACE(task_struct, mm, Task, process);
BH_SAME_PLACE(task_struct, pending, Task, signals);
BH_SAME_PLACE(task_struct, signal, Task, shared);
static_assert(sizeof(signal_struct) == sizeof(Task::kNothingShared));
static_assert(offsetof(task_struct, blocked) == offsetof(Task, signals) + sizeof(std::uint64_t));
static_assert(sizeof(task_struct::comm) == Task::kNameSize);

BH_SAME_SIZE(cpumask, CpuMask);
static_assert(NR_CPUS == kMaxCpus);
namespace {
struct Attrs {  // as in workqueue.cpp
    int nice;
    CpuMask cpumask;
    bool strict;
    int scope;
    bool ordered;
};
}  // namespace
BH_SAME_SIZE(workqueue_attrs, Attrs);
BH_SAME_PLACE(workqueue_attrs, cpumask, Attrs, cpumask);
BH_SAME_PLACE(workqueue_attrs, affn_strict, Attrs, strict);
BH_SAME_PLACE(workqueue_attrs, affn_scope, Attrs, scope);
static_assert(WQ_AFFN_SYSTEM == static_cast<int>(AffinityScope::system));
static_assert(WQ_MAX_ACTIVE == kWqMaxActive && WQ_MANAGED == wq_flag::kManaged && __WQ_LEGACY == wq_flag::kLegacy);

BH_SAME_SIZE(hrtimer, linux_api::Hrtimer);
BH_SAME_PLACE(hrtimer, function, linux_api::Hrtimer, function);
BH_SAME_PLACE(hrtimer, __expires, linux_api::Hrtimer, expires);
BH_SAME_PLACE(hrtimer, __set_up, linux_api::Hrtimer, set_up);
#ifndef BH_EXPLORE
BH_SAME_SIZE(kthread_worker, linux_api::KthreadWorker);
BH_SAME_PLACE(kthread_worker, lock, linux_api::KthreadWorker, lock);
BH_SAME_PLACE(kthread_worker, current_work, linux_api::KthreadWorker, running);
#endif
BH_SAME_SIZE(kthread_delayed_work, linux_api::KthreadDelayedWork);
BH_SAME_PLACE(kthread_work, func, linux_api::KthreadWork, func);
BH_SAME_PLACE(kthread_work, canceling, linux_api::KthreadWork, canceling);
BH_SAME_PLACE(kthread_delayed_work, timer, linux_api::KthreadDelayedWork, timer);
BH_SAME_SIZE(::inode, linux_api::Inode);
BH_SAME_PLACE(::inode, i_rdev, linux_api::Inode, rdev);
BH_SAME_PLACE(::inode, i_private, linux_api::Inode, priv);
BH_SAME_PLACE(::inode, i_cdev, linux_api::Inode, cdev);
BH_SAME_SIZE(::file, linux_api::File);
BH_SAME_PLACE(::file, f_op, linux_api::File, ops);
BH_SAME_PLACE(::file, private_data, linux_api::File, private_data);
BH_SAME_PLACE(::file, f_flags, linux_api::File, flags);
BH_SAME_PLACE(::file, f_mode, linux_api::File, mode);
BH_SAME_PLACE(::file, f_pos, linux_api::File, pos);
BH_SAME_PLACE(::file, f_inode, linux_api::File, inode);
BH_SAME_PLACE(::file, f_path.dentry, linux_api::File, dentry);
BH_SAME_SIZE(::dentry, linux_api::Dentry);
BH_SAME_PLACE(::dentry, d_name.name, linux_api::Dentry, name);
BH_SAME_PLACE(::dentry, d_inode, linux_api::Dentry, inode);
BH_SAME_PLACE(::dentry, d_iname, linux_api::Dentry, short_name);
BH_SAME_SIZE(::kobject, linux_api::Kobject);
BH_SAME_PLACE(::kobject, ktype, linux_api::Kobject, type);
BH_SAME_PLACE(::kobject, __path, linux_api::Kobject, path);
BH_SAME_PLACE(::kobject, __references, linux_api::Kobject, references);
BH_SAME_SIZE(file_operations, linux_api::FileOps);
BH_SAME_PLACE(file_operations, llseek, linux_api::FileOps, llseek);
BH_SAME_PLACE(file_operations, read, linux_api::FileOps, read);
BH_SAME_PLACE(file_operations, write, linux_api::FileOps, write);
BH_SAME_PLACE(file_operations, poll, linux_api::FileOps, poll);
BH_SAME_PLACE(file_operations, unlocked_ioctl, linux_api::FileOps, unlocked_ioctl);
BH_SAME_PLACE(file_operations, open, linux_api::FileOps, open);
BH_SAME_PLACE(file_operations, release, linux_api::FileOps, release);
BH_SAME_SIZE(cdev, linux_api::Cdev);
BH_SAME_PLACE(cdev, dev, linux_api::Cdev, dev);
BH_SAME_PLACE(cdev, count, linux_api::Cdev, count);
BH_SAME_PLACE(cdev, __allocated, linux_api::Cdev, allocated);
BH_SAME_PLACE(cdev, kobj, linux_api::Cdev, kobject);
BH_SAME_SIZE(seq_file, linux_api::SeqFile);
BH_SAME_PLACE(seq_file, index, linux_api::SeqFile, index);
BH_SAME_PLACE(seq_file, op, linux_api::SeqFile, op);
BH_SAME_PLACE(seq_file, __private, linux_api::SeqFile, priv);
BH_SAME_PLACE(seq_file, file, linux_api::SeqFile, file);
BH_SAME_SIZE(seq_operations, linux_api::SeqOps);
BH_SAME_PLACE(seq_operations, show, linux_api::SeqOps, show);

BH_SAME_SIZE(::bh_module_record, cpp_module_record);
BH_SAME_PLACE(::bh_module_record, address, cpp_module_record, address);
BH_SAME_PLACE(::bh_module_record, max, cpp_module_record, max);
BH_SAME_PLACE(::bh_module_record, count, cpp_module_record, count);
BH_SAME_PLACE(::bh_module_record, custom, cpp_module_record, custom);
BH_SAME_SIZE(::kernel_param, cpp_kernel_param);
BH_SAME_PLACE(::kernel_param, perm, cpp_kernel_param, perm);
BH_SAME_PLACE(::kernel_param, arg, cpp_kernel_param, arg);
BH_SAME_SIZE(::kernel_param_ops, cpp_kernel_param_ops);
BH_SAME_PLACE(::kernel_param_ops, get, cpp_kernel_param_ops, get);
static_assert(__BH_NR_GPIOS == linux_api::GpioChip::kPins && __BH_GPIO_IRQ == linux_api::GpioChip::kFirstIrq);
static_assert(BH_MODULE_TEXT == linux_api::kRecordText && BH_MODULE_PARAM == linux_api::kRecordParam);
static_assert(BH_MODULE_PARAM_TEXT == linux_api::kRecordParamText && BH_MODULE_EXPORT == linux_api::kRecordExport);

static_assert(TIMER_DEFERRABLE == kTimerDeferrable && TIMER_PINNED == kTimerPinned && TIMER_IRQSAFE == kTimerIrqsafe);
static_assert(IRQF_ONESHOT == irqf::kOneshot && IRQF_SHARED == irqf::kShared && IRQF_NO_AUTOEN == irqf::kNoAutoen);
static_assert(NR_SOFTIRQS == static_cast<int>(kNrSoftirqs));
static_assert(SOFTIRQ_DISABLE_OFFSET == preempt::kSoftirqDisable && HARDIRQ_OFFSET == preempt::kHardirqOffset);

}  // namespace bottomhalf
