// The subcommands of `crayon`, one file each. A command parses its flags into a struct, and a run
// function does the work: results go to `out`, everything else to `notes`. All throw Error; main()
// prints it as "crayon: <message>" and returns the exit status of its code.
#pragma once

#include <CLI/App.hpp>

namespace crayon {

void add_customize_command(CLI::App& app);
void add_ask_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_blend_command(CLI::App& app);
void add_pool_commands(CLI::App& app);
/// new, add, remove and merge, below `crayon pool`.
void add_pool_edit_commands(CLI::App& pool);
void add_convert_command(CLI::App& app);
void add_task_commands(CLI::App& app);
void add_models_commands(CLI::App& app);
void add_train_command(CLI::App& app);
void add_serve_command(CLI::App& app);
void add_stats_command(CLI::App& app);
void add_feedback_command(CLI::App& app);
void add_calibrate_command(CLI::App& app);
void add_bench_commands(CLI::App& app);
/// route, below `crayon bench`.
void add_bench_route_command(CLI::App& bench);

}  // namespace crayon
