#include "crayon/cli/program.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/nearest.h"
#include "crayon/cli/commands.h"
#include "crayon/cli/commit.h"
#include "crayon/cli/guard.h"
#include "crayon/cli/internal/settings.h"

namespace crayon {
namespace {

constexpr const char* kExamples = R"(Examples:
  crayon customize --pool pools/smollm2-135m --examples mine.jsonl --name mine
  crayon ask --task mine --choice yes --choice no "Is this a request for a refund?"
  crayon eval --task mine --data test.jsonl
  crayon serve --model bigger.gguf --port 8080
A default for any flag may stand in the environment (CRAYON_THREADS=2) or in crayon.toml.
CRAYON_LOG=debug says more on standard error, CRAYON_LOG=error less.
Exit status: 0; 2 bad argument; 3 not found; 4 incompatible; 5 corrupt file; 6 unsupported;
7 unavailable; 130 interrupted; 1 a bug in crayon.)";

/// The flags on a command line, without dashes and values.
std::set<std::string> typed_flags(int argc, char** argv) {
  std::set<std::string> typed;
  for (const std::string_view word : std::span(argv, static_cast<std::size_t>(argc))) {
    if (word == "--") break;
    if (word.starts_with("--")) typed.emplace(word.substr(2, word.find('=') - 2));
  }
  return typed;
}

/// "crayon 0.1.0 (3e1da71ac0b2)"
std::string version_text() {
  const std::string commit = built_commit();
  return fmt::format("crayon {}{}", CRAYON_VERSION,
                     commit.empty() ? "" : fmt::format(" ({})", commit));
}

void add_commands(CLI::App& app, const std::set<std::string>& typed) {
  app.footer(kExamples);
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text());
  add_customize_command(app);
  add_ask_command(app);
  add_eval_command(app);
  add_blend_command(app);
  add_pool_commands(app);
  add_convert_command(app);
  add_task_commands(app);
  add_models_commands(app);
  add_train_command(app);
  add_serve_command(app);
  add_stats_command(app);
  add_feedback_command(app);
  add_calibrate_command(app);
  add_bench_commands(app);
  add_settings(app, typed);
}

/// The subcommand that was being parsed.
const CLI::App& innermost(const CLI::App& app) {
  const auto called = app.get_subcommands();
  return called.empty() ? app : innermost(*called.front());
}

/// The flags and subcommands known where a word was not understood.
std::vector<std::string> known_words(const CLI::App& cmd) {
  std::vector<std::string> known;
  for (const CLI::Option* option : cmd.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const CLI::App* sub : cmd.get_subcommands([](const CLI::App*) { return true; })) {
    known.push_back(sub->get_name());
  }
  return known;
}

std::string path_of(const CLI::App& cmd) {
  return cmd.get_parent() == nullptr ? cmd.get_name()
                                     : path_of(*cmd.get_parent()) + " " + cmd.get_name();
}

/// One line for a command line that CLI11 refuses.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& cmd = innermost(app);
  std::string message = error.what();
  if (const auto line_end = message.find('\n'); line_end != std::string::npos) {
    message.resize(line_end);
  }
  const auto extra = app.remaining(true);
  if (!extra.empty()) {
    const std::string word = extra.front().substr(0, extra.front().find('='));
    message = fmt::format("unknown {} '{}'", word.starts_with("-") ? "flag" : "argument", word);
    const auto near = nearest_names(word, known_words(cmd));
    if (!near.empty()) message += fmt::format("; did you mean {}?", fmt::join(near, ", "));
  }
  return fmt::format("{} (see `{} --help`)", message, path_of(cmd));
}

int parse_and_run(CLI::App& app, int argc, char** argv, std::ostream& out, std::ostream& notes) {
  int status = 0;
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help and --version
    status = app.exit(success, out, notes);
  } catch (const CLI::ParseError& error) {
    notes << "crayon: " << explain(app, error) << '\n';
    return info(ErrorCode::InvalidArgument).exit_status;
  }
  require_written(out);
  return status;
}

}  // namespace

int run_program(int argc, char** argv, std::ostream& out, std::ostream& notes) {
  handle_interrupts();
  const ProgramWords words{"crayon", "try a smaller model, --context-tokens or file", {}};
  return guarded(words, notes, [&] {
    CLI::App app(
        "Customise a small LLM on this device, and ask it; hard questions go to a larger one",
        "crayon");
    add_commands(app, typed_flags(argc, argv));
    return parse_and_run(app, argc, argv, out, notes);
  });
}

}  // namespace crayon
