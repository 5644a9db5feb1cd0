// crayon pool new|add|remove|merge|calibrate|scope|shrink and crayon convert, as users and scripts
// see them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "crayon/base/files.h"
#include "crayon/cli/internal/program_fixture_test.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/formats/model_file.h"
#include "crayon/formats/peft.h"
#include "crayon/pool/pool.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kPapers = " --licence CC0-1.0 --trained-on mine --examples refunds.jsonl";

class PoolEditing : public Program {
 protected:
  static void SetUpTestSuite() {
    Program::SetUpTestSuite();
    write_lines("sets/refunds.jsonl", "refund my order", 30);
    write_lines("sets/weather/train.jsonl", "will it rain in", 30);
    write_lines("refunds.jsonl", "refund my order", 8);
    const BaseModel base = describe_model(world_->path("model.gguf"));
    Adapter adapter = random_model_adapter({}, 1, 2, 77);
    adapter.base_id = "";
    write_atomically(world_->path("mine.gguf"), adapter_to_gguf(adapter, {}));
    write_peft(world_->path("peft"), adapter, {.base = base, .base_model = "someone/tiny"});
  }
  static void write_lines(const std::string& name, const std::string& text, int n) {
    std::string lines;
    for (int i = 0; i < n; ++i) {
      lines += fmt::format(
          R"({{"prompt": "{} {}", "completion": "yes"}})", text,
          std::string(static_cast<std::size_t>(1 + i % 7), static_cast<char>('a' + i % 26)));
      lines += "\n";
    }
    fs::create_directories(world_->path(name).parent_path());
    world_->write(name, lines);
  }
  /// An empty pool in a folder of that name.
  static std::string fresh(const std::string& name) {
    const ProgramRun done = run("pool new " + name + " --model model.gguf --prompts sets --dims 8");
    EXPECT_EQ(done.status, 0) << done.notes;
    return name;
  }
};

TEST_F(PoolEditing, NewMakesAnEmptyPoolThatIsShownListedAndVerified) {
  const Json made =
      json("pool new fresh --model model.gguf --prompts sets --dims 8 --name letters");
  EXPECT_EQ(made["prompts"], 60);
  EXPECT_EQ(made["sets"], Json({"refunds", "weather"}));
  EXPECT_EQ(made["dims"], 8);
  EXPECT_EQ(made["written"], true);
  EXPECT_THAT(made["pool"].get<std::string>(), HasSubstr("letters-"));
  EXPECT_EQ(json("pool show fresh")["n_adapters"], 0);
  EXPECT_THAT(run("pool show fresh").out, HasSubstr("none yet: `crayon pool add` adds one"));
  EXPECT_EQ(run("pool verify fresh --model model.gguf").status, 0);
  const ProgramRun again = run("pool new fresh --model model.gguf --prompts sets --dims 8");
  EXPECT_EQ(again.status, 2);
  EXPECT_THAT(again.notes, HasSubstr("holds a pool already"));
  const ProgramRun used =
      run("customize --model model.gguf --pool fresh --examples "
          "examples.jsonl -o none.gguf");
  EXPECT_EQ(used.status, 2);
  EXPECT_THAT(used.notes, HasSubstr("no adapter yet; add one with `crayon pool add`"));
}

TEST_F(PoolEditing, AnAdapterIsAddedUsedAndRemovedAgain) {
  const std::string pool = fresh("mine-pool");
  const Json before = json("pool show " + pool);
  const Json first = json("pool add " + pool + " mine.gguf --model model.gguf" + kPapers);
  EXPECT_EQ(first["adapter"], "mine");
  EXPECT_EQ(first["index"], 0);
  EXPECT_EQ(first["form"], "gguf");
  EXPECT_EQ(first["rank"], 2);
  EXPECT_EQ(first["key"]["examples"], 8);
  const Json second = json("pool add " + pool +
                           " peft --name other --model model.gguf --licence MIT --trained-on a "
                           "--trained-on b --examples sets/weather");
  EXPECT_EQ(second["form"], "peft");
  EXPECT_EQ(second["says_base"], "someone/tiny");
  EXPECT_EQ(second["key"]["nearest"], "mine");
  const Json shown = json("pool show " + pool);
  EXPECT_EQ(shown["adapters"][1]["trained_on"], Json({"a", "b"}));
  EXPECT_EQ(shown["adapters"][1]["licence"], "MIT");
  EXPECT_EQ(run("pool verify " + pool + " --model model.gguf").status, 0);
  EXPECT_EQ(json("customize --model model.gguf --pool " + pool +
                 " --examples examples.jsonl -o two.gguf")["weights"]
                .size(),
            2u);
  EXPECT_EQ(json("pool remove " + pool + " other")["removed"], "other");
  EXPECT_EQ(json("pool remove " + pool + " 0")["removed"], "mine");
  EXPECT_EQ(json("pool show " + pool)["id"], before["id"]);
}

TEST_F(PoolEditing, ADryRunChecksEverythingAndWritesNothing) {
  const std::string pool = fresh("dry");
  const auto files = world_->files();
  for (const std::string& args :
       {"pool add " + pool + " mine.gguf --model model.gguf" + kPapers,
        "pool add pool mine.gguf --model model.gguf" + std::string(kPapers),
        std::string("pool remove pool a1"), std::string("pool merge pool pool -o nowhere"),
        std::string("pool new nowhere --model model.gguf --prompts sets --dims 8")}) {
    const Json got = json(args + " --dry-run");
    EXPECT_EQ(got["written"], false) << args;
    EXPECT_THAT(run(args + " --dry-run").out, HasSubstr("nothing was written (--dry-run)"));
  }
  EXPECT_EQ(world_->files(), files);
  EXPECT_EQ(run("pool remove pool nobody --dry-run").status, 3);
}

TEST_F(PoolEditing, MergingKeepsKeysOfOneSpaceAndFitsOthersAnew) {
  const std::string pool = fresh("merged-one");
  ASSERT_EQ(run("pool add " + pool + " mine.gguf --model model.gguf" + kPapers).status, 0);
  fs::copy(world_->path(pool), world_->path("merged-two"), fs::copy_options::recursive);
  const Json joined = json("pool merge merged-one merged-two -o joined");
  EXPECT_EQ(joined["n_adapters"], 2);
  EXPECT_EQ(joined["refitted"], false);
  EXPECT_EQ(joined["adapters"], Json({"mine", "merged-one-mine"}));
  EXPECT_EQ(run("pool verify joined --model model.gguf").status, 0);

  const ProgramRun other =
      run("pool new merged-three --model model.gguf --prompts sets/refunds.jsonl --dims 6 "
          "--pooling mean");
  ASSERT_EQ(other.status, 0) << other.notes;
  ASSERT_EQ(run("pool add merged-three peft --model model.gguf" + std::string(kPapers)).status, 0);
  const ProgramRun refused = run("pool merge merged-one merged-three -o anew");
  EXPECT_EQ(refused.status, 4);
  EXPECT_THAT(refused.notes, HasSubstr("give prompts of both pools' tasks with --prompts"));
  EXPECT_FALSE(fs::exists(world_->path("anew")));
  const Json anew =
      json("pool merge merged-one merged-three -o anew --prompts sets --model model.gguf");
  EXPECT_EQ(anew["refitted"], true);
  EXPECT_EQ(run("pool verify anew --model model.gguf").status, 0);
}

TEST_F(PoolEditing, AShrunkPoolIsSmallerAndSaysWhatItLost) {
  const std::string pool = fresh("shrunk-from");
  ASSERT_EQ(run("pool add " + pool + " mine.gguf --model model.gguf" + kPapers).status, 0);
  EXPECT_EQ(json("pool shrink " + pool + " -o shrunk --rank 1 --dry-run")["written"], false);
  EXPECT_FALSE(fs::exists(world_->path("shrunk")));
  const Json shrunk = json("pool shrink " + pool + " -o shrunk --rank 1");
  EXPECT_LT(shrunk["megabytes"]["after"], shrunk["megabytes"]["before"]);
  EXPECT_GT(shrunk["adapters"][0]["relative_error"], 0);
  EXPECT_EQ(json("pool show shrunk")["adapters"][0]["rank"], 1);
  EXPECT_EQ(run("pool verify shrunk --model model.gguf").status, 0);
  EXPECT_EQ(run("pool shrink " + pool + " -o shrunk --rank 1").status, 2) << "it is there";
}

TEST_F(PoolEditing, CalibrationIsFittedOnTasksMadeOfSets) {
  const std::string pool = fresh("calibrated");
  ASSERT_EQ(run("pool add " + pool + " mine.gguf --model model.gguf" + kPapers).status, 0);
  const std::string before = json("pool show " + pool)["id"];
  std::string quiz;
  for (int i = 0; i < 24; ++i) {
    quiz += fmt::format(R"({{"question": "Is {} even?", "choices": ["no", "yes"], "answer": {}}})",
                        i, i % 2 == 0 ? 1 : 0);
    quiz += "\n";
  }
  fs::create_directories(world_->path("quiz"));
  world_->write("quiz/even.jsonl", quiz);
  const std::string fit = "pool calibrate " + pool + " --model model.gguf --data quiz --all-sets ";
  const Json tried = json(fit + "-k 8 --dry-run");
  const Json fitted = json(fit + "-k 8");
  EXPECT_EQ(fitted["intercept"], tried["intercept"]);
  EXPECT_EQ(fitted["sets"], 1);
  EXPECT_EQ(fitted["questions"], 16) << "those that the task was not made from";
  EXPECT_EQ(fitted["guess"], 0.5);
  const Pool changed = Pool::open(world_->path("calibrated"));
  EXPECT_EQ(changed.manifest().calibration.intercept, fitted["intercept"]);
  EXPECT_EQ(changed.manifest().calibration.guess, fitted["guess"]);
  EXPECT_EQ(changed.manifest().id, before) << "tasks made before stay its own";
  EXPECT_EQ(run("pool verify " + pool).status, 0);
  EXPECT_EQ(run(fit + "-k 20").status, 2) << "too few of a set";
}

TEST_F(PoolEditing, ScopeIsFittedOnSetsAndTasksOfFewExamplesHaveIt) {
  const std::string pool = fresh("scoped");
  ASSERT_EQ(run("pool add " + pool + " mine.gguf --model model.gguf" + kPapers).status, 0);
  const std::string before = json("pool show " + pool)["id"];
  EXPECT_EQ(json("pool show " + pool)["scope_sizes"], Json::array());
  const std::string fit = "pool scope " + pool + " --model model.gguf --data sets ";
  const ProgramRun none = run(fit);
  EXPECT_EQ(none.status, 3);
  EXPECT_THAT(none.notes, HasSubstr("--all-sets"));
  const Json fitted = json(fit + "--all-sets");
  EXPECT_EQ(fitted["sets"], 2);
  EXPECT_EQ(fitted["examples"], 60);
  EXPECT_EQ(fitted["sizes"], Json({4, 8, 16}));
  EXPECT_EQ(json("pool show " + pool)["scope_sizes"], Json({4, 8, 16}));
  EXPECT_EQ(json("pool show " + pool)["id"], before) << "tasks made before stay its own";
  EXPECT_EQ(run("pool verify " + pool).status, 0);

  const std::string make =
      "customize --model model.gguf --examples refunds.jsonl -o few.gguf --pool ";
  EXPECT_FALSE(json(make + pool).contains("scope_examples_needed"));
  EXPECT_EQ(run(fit + "--all-sets --limit 11").status, 2) << "too few of a set";
}

TEST_F(PoolEditing, WhatDoesNotFitIsOneErrorAndThePoolStaysAsItWas) {
  const Json before = json("pool show pool");
  write_random_model(world_->path("wide.gguf"), {.d_model = 32});
  write_random_model(world_->path("foreign.gguf"), {.keys = {{"general.architecture", "gemma2"}}});
  const std::string add = "pool add pool ";
  const std::string rest = std::string(" --model model.gguf") + kPapers;
  struct Bad {
    std::string args;
    int status;
    std::string message;
  };
  for (const Bad& bad : {
           Bad{add + "mine.gguf --model wide.gguf" + kPapers, 4, "the pool"},
           Bad{add + "mine.gguf --model foreign.gguf" + kPapers, 6,
               "architecture 'gemma2'; supported are 'llama'"},
           Bad{add + "model.gguf" + rest, 5, "lacks the key 'general.type'"},
           Bad{add + "nothing.gguf" + rest, 3, "nothing.gguf"},
           Bad{add + "sets" + rest, 3, "holds no adapter_config.json"},
           Bad{add + "mine.gguf --model model.gguf --licence x --trained-on y --examples no.jsonl",
               3, "no.jsonl"},
           Bad{add + "mine.gguf --name a0" + rest, 2, "'a0' already"},
           Bad{add + "mine.gguf --name .hidden" + rest, 2, "adapter name '.hidden'"},
           Bad{add + "mine.gguf --model model.gguf --examples refunds.jsonl --trained-on x", 2,
               "--licence"},
           Bad{"pool remove pool a9", 3, "has no adapter 'a9'"},
           Bad{"pool new other --model foreign.gguf --prompts sets --dims 8", 6,
               "architecture 'gemma2'; supported are 'llama'"},
           Bad{"pool new other --model model.gguf --prompts sets --dims 60", 2,
               "60 prompts for a whitening of 60 directions"},
           Bad{"pool new other --model model.gguf --prompts home", 2, "holds no set"},
       }) {
    const ProgramRun done = run(bad.args);
    EXPECT_EQ(done.status, bad.status) << bad.args << "\n" << done.notes;
    EXPECT_THAT(done.notes, HasSubstr(bad.message)) << bad.args;
    EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << done.notes;
  }
  EXPECT_EQ(json("pool show pool"), before);
  EXPECT_FALSE(fs::exists(world_->path("other")));
}

TEST_F(PoolEditing, ConvertTakesATasksAdapterToPeftAndBack) {
  ASSERT_EQ(run(kCustomize + " -o task.gguf --no-compare").status, 0);
  const Json there = json("convert task.gguf --to peft -o task-peft --model model.gguf");
  EXPECT_EQ(there["from"], "gguf");
  EXPECT_EQ(there["rank"], 6);
  const Json back = json("convert task-peft --to gguf --dtype f32 -o back.gguf --model model.gguf");
  EXPECT_EQ(back["from"], "peft");
  EXPECT_EQ(back["matrices"], there["matrices"]);
  const Adapter before = adapter_from_gguf(Gguf::open(world_->path("task.gguf")));
  const Adapter after = adapter_from_gguf(Gguf::open(world_->path("back.gguf")));
  ASSERT_EQ(after.tensors.size(), before.tensors.size());
  for (std::size_t i = 0; i < before.tensors.size(); ++i) {
    EXPECT_EQ(after.tensors[i].name, before.tensors[i].name);
    EXPECT_EQ(after.tensors[i].a.data, before.tensors[i].a.data);
    EXPECT_EQ(after.tensors[i].b.data, before.tensors[i].b.data);
  }
  EXPECT_EQ(run("convert task.gguf --to peft -o task-peft --model model.gguf").status, 2);
  EXPECT_EQ(run("convert nobody --to peft -o x --model model.gguf").status, 3);
}

}  // namespace
}  // namespace crayon
