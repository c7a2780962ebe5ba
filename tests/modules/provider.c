/* Offers a function, a variable and a variable of each CPU to other modules. */
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

static int start_at;
module_param(start_at, int, 0444);

int provided_count;
EXPORT_SYMBOL(provided_count);
DEFINE_PER_CPU(int, provided_per_cpu);
EXPORT_PER_CPU_SYMBOL(provided_per_cpu);

int provided_add(int n);
int provided_add(int n)
{
	provided_count += n;
	return provided_count;
}
EXPORT_SYMBOL(provided_add);

int provided_strictly(void);
int provided_strictly(void)
{
	return provided_count;
}
EXPORT_SYMBOL_GPL(provided_strictly);

/* Not exported: nobody else may call it. */
int kept_back(void);
int kept_back(void)
{
	return 0;
}

static int __init provider_start(void)
{
	int cpu;

	provided_count = start_at;
	for_each_possible_cpu(cpu)
		per_cpu(provided_per_cpu, cpu) = 100 + cpu;
	return 0;
}

static void __exit provider_stop(void)
{
	pr_info("provider: count is %d at the end\n", provided_count);
}

module_init(provider_start);
module_exit(provider_stop);
MODULE_LICENSE("GPL");
