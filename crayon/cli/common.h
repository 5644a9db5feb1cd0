// What subcommands share: common flags, opening the base model, the server's flags, progress.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crayon/adapter/blend.h"
#include "crayon/base/progress.h"
#include "crayon/engine/engine.h"
#include "crayon/formats/base_model.h"
#include "crayon/models/models.h"
#include "crayon/remote/remote.h"
#include "crayon/router/router.h"
#include "crayon/session/scoring.h"
#include "crayon/session/tasks.h"

namespace CLI {
class App;
}

namespace crayon {

/// Flags that every subcommand has.
struct CommonArgs {
  int threads = 0;  ///< 0: one for each core.
  int gpu_layers = 0;
  bool quiet = false;  ///< No notes but warnings and errors.
  bool json = false;
};
void add_common_options(CLI::App& cmd, CommonArgs& args);
void add_json_option(CLI::App& cmd, CommonArgs& args);

/// The base model, for subcommands that run it.
struct ModelArgs {
  std::string model;  ///< File or name; "": the base of the pool or task.
  std::string chat_template;
  int context_tokens = 2048;
};
void add_model_options(CLI::App& cmd, ModelArgs& args);

/// The larger LLM: one server, or several that are asked in order. The other lists are empty or as
/// long as `url`; "-" stands for none.
struct ServerArgs {
  std::vector<std::string> url;
  std::vector<std::string> model;
  std::vector<std::string> key_file;  ///< Keys come from files or the environment, never a flag.
  std::vector<std::string> ca_file;
  std::vector<std::string> price;  ///< "IN:OUT" or one number for both, of a million tokens.
  std::optional<double> share;
  double timeout_s = 120;
};
void add_server_options(CLI::App& cmd, ServerArgs& args);

/// A key without outer blanks: of the file, else of the environment's variable; "" without either.
/// @throws Error NotFound, InvalidArgument  no such file; an empty one
[[nodiscard]] std::string read_key(const std::filesystem::path& file, const char* variable);

/// The servers in order. Without key files the first one's key is CRAYON_SERVER_KEY of the
/// environment, and no other server gets it.
/// @throws Error NotFound, InvalidArgument  a key file, a price, lists of other lengths
[[nodiscard]] std::vector<RemoteServer> server_list(const ServerArgs& args);

/// A client of the servers; null when no URL is given.
/// @throws Error NotFound, InvalidArgument  as server_list(); a CA file; a share without a URL
[[nodiscard]] std::unique_ptr<Remote> open_remote(const ServerArgs& args);

/// How to blend, as three flags.
struct BlendArgs {
  std::string mode;  ///< "": lowrank when a rank is given, else exact.
  int rank = 0;
};
void add_blend_options(CLI::App& cmd, BlendArgs& args);
/// @throws Error InvalidArgument  a rank for an exact blend
[[nodiscard]] BlendOptions blend_options(const BlendArgs& args);

/// The file of the base model. @param wanted  the pool's or task's base; null: the default model
/// @throws Error NotFound  no such file or name; or none given and `wanted` is not in the manifest
[[nodiscard]] std::filesystem::path base_model_file(const ModelArgs& args, const BaseModel* wanted,
                                                    const CommonArgs& common, std::ostream& notes);
[[nodiscard]] std::shared_ptr<Model> open_base_model(const ModelArgs& args, const BaseModel* wanted,
                                                     const CommonArgs& common, std::ostream& notes);
[[nodiscard]] EngineOptions engine_options(const ModelArgs& args, const CommonArgs& common);

/// Says that calibration is approximate when the base is another quantisation.
void warn_base_fit(BaseFit fit, const BaseModel& wanted, const BaseModel& found);

/// Draws the steps of a job, one progress line after the other.
class StepReporter {
 public:
  StepReporter(std::ostream& notes, bool enabled, std::string unit = "examples");
  void operator()(const StepProgress& progress);
  void finish();  ///< Ends the last line.

 private:
  std::ostream& notes_;
  bool enabled_;
  std::string unit_;
  std::string step_;
  std::unique_ptr<Progress> line_;
};
/// The same for downloads of models.
[[nodiscard]] std::function<void(const FetchProgress&)> fetch_reporter(std::ostream& notes,
                                                                       bool enabled);

}  // namespace crayon
