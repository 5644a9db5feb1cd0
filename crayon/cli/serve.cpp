// crayon serve: an OpenAI-compatible server over a model on this machine.
#include "crayon/server/serve.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <iostream>
#include <thread>

#include "crayon/base/interrupt.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/common.h"
#include "crayon/cli/outgoing.h"
#include "crayon/cli/routing.h"
#include "crayon/session/device.h"

namespace crayon {
namespace {

struct ServeArgs {
  CommonArgs common;
  ModelArgs model;
  ServerArgs server;
  RouteArgs route;
  GuardArgs guards;
  std::string task = "base";
  std::string host = "127.0.0.1";
  int port = 8080;
  std::filesystem::path key_file;
  std::string name;
  bool local_only = false;
};

std::string model_name(const ServeArgs& args, const OpenTask& task, const Model& model) {
  if (!args.name.empty()) return args.name;
  return task.file.empty() ? model.base().name : "crayon:" + task.name;
}

void run_serve(const ServeArgs& args, std::ostream& out, std::ostream& notes) {
  const OpenTask task = open_task(args.task);
  const BaseModel* wanted = task.info ? &task.info->base : nullptr;
  ServeOptions options;
  options.host = args.host;
  options.port = args.port;
  options.key = read_key(args.key_file, "CRAYON_KEY");
  check_access(options);  // before a large model is opened
  const auto remote = args.local_only ? nullptr : open_remote(args.server);
  const Guards guards(args.guards, remote ? server_list(args.server) : std::vector<RemoteServer>{});
  options.books = {.door = guards.door(),
                   .task = task,
                   .remote = remote.get(),
                   .router = route_options(args.route, args.server, task),
                   .hold_back = args.route.hold_back,
                   .on_decision = guards.log()};
  options.books.past = guards.past(task.name, options.books.router.mode);
  const std::shared_ptr<Model> model = open_base_model(args.model, wanted, args.common, notes);
  if (wanted != nullptr) {
    warn_base_fit(TaskOnDevice(*model, task).base_fit(), *wanted, model->base());
  }
  options.model_name = model_name(args, task, *model);
  options.adapter = task.file;
  options.engine = engine_options(args.model, args.common);
  ApiServer server(model, options);
  server.start();
  out << server.url() << std::endl;
  if (!args.common.quiet) {
    notes << "serving " << options.model_name
          << (remote ? "; what it is unsure of may go to the larger LLM" : "") << "; Ctrl-C ends\n";
  }
  while (!interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  server.stop();
  throw_if_interrupted();
}

}  // namespace

void add_serve_command(CLI::App& app) {
  auto args = std::make_shared<ServeArgs>();  // shared with the callback, which outlives us
  CLI::App* cmd = app.add_subcommand("serve", "Serve a model as an OpenAI-compatible server");
  cmd->add_option("--task", args->task, "Task or LoRA file to answer with; default: base");
  cmd->add_option("--host", args->host, "Address to listen on; beyond loopback a key is required");
  cmd->add_option("--port", args->port, "Port; 0 picks a free one")->check(CLI::Range(0, 65535));
  cmd->add_option("--key-file", args->key_file,
                  "File with the key that clients must send; else the environment's CRAYON_KEY");
  cmd->add_option("--name", args->name, "What clients call the model");
  add_server_options(*cmd, args->server);
  add_route_options(*cmd, args->route);
  cmd->add_flag("--local-only", args->local_only,
                "Let nothing leave this machine, whatever other flags and settings say");
  add_policy_options(*cmd, args->guards);
  add_budget_options(*cmd, args->guards);
  add_log_option(*cmd, args->guards);
  add_model_options(*cmd, args->model);
  add_common_options(*cmd, args->common);
  cmd->callback([args] { run_serve(*args, std::cout, std::cerr); });
}

}  // namespace crayon
