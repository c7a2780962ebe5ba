/* Uses what provider.c exports. */
#include <linux/module.h>
#include <linux/percpu.h>

extern int provided_count;
extern int provided_add(int n);
DECLARE_PER_CPU(int, provided_per_cpu);

/* Its address is in the module's data, to be filled in by the loader. */
static int (*const add)(int) = provided_add;

static int __init user_start(void)
{
	int before = provided_count, sum = 0, cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(provided_per_cpu, cpu);
	pr_info("user: %d then %d, %d of the CPUs, by %ps\n", before, add(1), sum, add);
	provided_count += 10;
	return 0;
}

static void __exit user_stop(void)
{
	provided_add(100);
}

module_init(user_start);
module_exit(user_stop);
MODULE_LICENSE("GPL");
