// The table from pool id to pool (see PoolRef in worker_pool.hpp): who enters and leaves it.
#pragma once

#include "bottomhalf/workqueue/worker_pool.hpp"

namespace bottomhalf {

// Gives the pool its id. Throws Error when the table is full. CONTEXT: task.
void pool_table_add(WorkerPool& pool);
// Returns when nobody holds a PoolRef to it any more. CONTEXT: task.
void pool_table_remove(WorkerPool& pool) noexcept;

}  // namespace bottomhalf
