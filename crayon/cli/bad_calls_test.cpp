// What the program says of wrong calls and files: one line, its status, nothing half written.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "crayon/base/files.h"
#include "crayon/cli/internal/program_fixture_test.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct BadCall {
  std::string args;
  int status;
  std::string says;
};

const std::string kCustomizeNew =
    "customize --model model.gguf --pool pool -o new.gguf --examples ";
const BadCall kBadCalls[] = {
    {"", 2, "subcommand"},
    {"custmize", 2, "did you mean customize"},
    {"customize --pol pool", 2, "did you mean --pool"},
    {"customize --pool pool", 2, "--examples is required"},
    {"blend --pool pool -o new.gguf", 2, "--weights is required"},
    {"blend --pool pool --weights 1,x,0 -o new.gguf", 2, "--weights"},
    {"blend --pool pool --weights 1,2 -o new.gguf", 2, "2"},
    {"blend --pool pool --weights 1,nan,0 -o new.gguf", 2, "finite"},
    {"blend --pool pool --weights 1,0,0 --rank 0 -o new.gguf", 2, "--rank"},
    {"blend --pool pool --weights 1,0,0 --mode exat -o new.gguf", 2, "--mode"},
    {"blend --pool pool --weights 1,0,0 --dtype q4 -o new.gguf", 2, "--dtype"},
    {"blend --pool pool --weights 1,0,0 -o folder", 2, "is a folder"},
    {"blend --pool pool --weights 1,0,0 -o none/new.gguf", 2, "folder none does not exist"},
    {"blend --pool folder --weights 1,0,0 -o new.gguf", 3, "pool.json"},
    {"blend --pool nowhere --weights 1,0,0 -o new.gguf", 3, "nowhere"},
    {kCustomizeNew + "none.jsonl", 3, "none.jsonl"},
    {kCustomizeNew + "empty.jsonl", 2, "empty.jsonl"},
    {kCustomizeNew + "folder", 2, "folder"},
    {kCustomizeNew + "bad.jsonl", 2, "bad.jsonl:1"},
    {kCustomizeNew + "examples.jsonl --weights 1,0", 2, "3 base adapters"},
    {kCustomizeNew + "examples.jsonl --weights 1,0,0 --refine", 2, "--refine"},
    {kCustomizeNew + "examples.jsonl --mode exact --rank 2", 2, "--rank 2 goes with"},
    {kCustomizeNew + "examples.jsonl --refine --no-compare", 2, "--refine"},
    {kCustomizeNew + "examples.jsonl --name ../x", 2, "task name"},
    {kCustomizeNew + "examples.jsonl --threads -1", 2, "--threads"},
    {kCustomizeNew + "examples.jsonl --limit x", 2, "--limit"},
    {"customize --model notes.txt --pool pool -o new.gguf --examples examples.jsonl", 5,
     "notes.txt"},
    {"customize --model none.gguf --pool pool -o new.gguf --examples examples.jsonl", 3,
     "none.gguf"},
    {"customize --pool pool -o new.gguf --examples examples.jsonl", 3, "--model"},
    {"ask --model model.gguf --task nope hi", 3, "no task 'nope'"},
    {"ask --model model.gguf --task notes.txt hi", 5, "notes.txt"},
    {"ask --model model.gguf --task model.gguf hi", 5, "model.gguf"},
    {"ask --model model.gguf --task base", 2, "no question"},
    {"ask --model model.gguf --task base --questions q.jsonl hi", 2,
     "--questions excludes question"},
    {"ask --model model.gguf --task base --questions q.jsonl -", 2,
     "--questions excludes question"},
    {"ask --model model.gguf --task base --questions q.jsonl --choice a", 2, "excludes"},
    {"ask --model model.gguf --task base --context a -", 2, "--context goes with one question"},
    {"ask --model model.gguf --task base --choice a --choice b -- -", 2, "--choice goes with"},
    {"ask --model model.gguf --task base --side device --server-share 0.5 hi", 2, "excludes"},
    {"ask --model model.gguf --task base --choice one hi", 2, "at least 2"},
    {"ask --model model.gguf --task base --side server hi", 2, "--server-url"},
    {"ask --model model.gguf --task base --server-share 0.5 hi", 2, "--server-url"},
    {"ask --model model.gguf --task base --server-url ftp://x --side server hi", 6, "ftp"},
    {"ask --model model.gguf --task base --server-share 2 --server-url http://x hi", 2,
     "--server-share"},
    {"ask --model model.gguf --task base --server-url http://x --server-key-file none hi", 3,
     "none"},
    {"eval --model model.gguf --task base --data none.jsonl", 3, "none.jsonl"},
    {"eval --model model.gguf --task base --data examples.jsonl --details none/d", 2,
     "does not exist"},
    {"task show nope", 3, "no task 'nope'"},
    {"task delete nope", 3, "no task 'nope'"},
    {"task strip old.gguf -o new.gguf", 5, "old.gguf"},
    {"task add notes.txt", 5, "notes.txt"},
    {"pool show folder", 3, "pool.json"},
    {"models path nope", 3, "nope"},
    {"models path smollm2", 3, "smollm2-135m-instruct"},
    {"serve --model none.gguf --host 0.0.0.0 --port 0", 2, "key"},
    {"serve --model model.gguf --port 99999", 2, "--port"},
    {"bench", 2, "subcommand"},
    {"bench customize --pool pool", 3, "benchmarks/full.toml"},
    {"bench customize --pool pool --quick", 3, "benchmarks/quick.toml"},
    {"bench customize --pool pool --quick --tasks tasks.toml", 2, "excludes"},
    {"bench customize --pool pool --tasks none.toml", 3, "none.toml"},
    {"bench customize --pool pool --tasks tasks.toml --methods bse", 2, "did you mean base"},
    {"bench customize --pool pool --tasks tasks.toml --only oen", 2, "did you mean one"},
    {"bench customize --pool pool --tasks tasks.toml --scoring acc", 2, "mean, sum"},
    {"bench customize --pool pool --tasks tasks.toml -k 0", 2, "--examples"},
    {"bench customize --tasks tasks.toml", 3, "--pool is missing"},
    {"bench customize --pool folder --tasks tasks.toml", 3, "pool.json"},
    {"bench customize --pool pool --model none.gguf --tasks tasks.toml", 3, "none.gguf"},
    {"bench customize --pool pool --model model.gguf --tasks tasks.toml", 2, "4 examples"},
    {"bench customize --pool pool --model model.gguf --tasks tasks.toml -o none/r.json", 2,
     "folder none does not exist"},
    {"bench customize --pool pool --tasks tasks.toml --slice-minutes -1", 2, "--slice-minutes"},
    {"bench customize --pool pool --tasks tasks.toml --from none.json", 3, "none.json"},
    {"bench customize --pool pool --tasks tasks.toml --from notes.txt", 5,
     "notes.txt: is not JSON"},
    {"bench customize --pool pool --tasks tasks.toml --from other.json", 5, "schema 'x/1'"},
    {"bench customize --pool pool --tasks tasks.toml --from new.json", 6, "customize/9'"},
    {"bench customize --pool pool --tasks tasks.toml --from cut.json", 5, "'times' is missing"},
    {"bench customize --pool pool --tasks tasks.toml --seeds -1", 2, "--seeds"},
    {"bench customize --pool pool --tasks tasks.toml --seeds 1,-2", 2, "--seeds"},
    {"bench customize --pool pool --tasks tasks.toml --questions -1", 2, "--questions"},
    {"bench route --pool pool --tasks tasks.toml --seeds -1", 2, "--seeds"},
    {"bench report", 2, "reports is required"},
    {"bench report none.json", 3, "none.json"},
    {"bench report examples.jsonl", 5, "examples.jsonl"},
    {"--settings none.toml task list", 2, "none.toml"},
};

TEST_F(Program, BadCallsGiveOneClearLineTheRightStatusAndNoFile) {
  world_->write("empty.jsonl", "");
  world_->write("bad.jsonl", "{\"question\": \"secret\", \"choices\": [\"a\"]}\n");
  world_->write("notes.txt", "this is no GGUF");
  world_->write("other.json", R"({"schema": "x/1"})");
  world_->write("new.json", R"({"schema": "crayon-bench-customize/9"})");
  world_->write("cut.json", R"({"schema": "crayon-bench-customize/1", "results": []})");
  world_->write("old.gguf", "as it was");
  world_->write("tasks.toml", "[tasks]\none = { data = \"examples.jsonl\" }");
  std::filesystem::create_directories(world_->path("folder"));
  const auto before = world_->files();
  for (const BadCall& call : kBadCalls) {
    const ProgramRun done = run(call.args);
    EXPECT_EQ(done.status, call.status) << call.args << "\n" << done.notes;
    EXPECT_THAT(done.notes, HasSubstr(call.says)) << call.args;
    EXPECT_THAT(done.notes, HasSubstr("crayon: ")) << call.args;
    EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << call.args << "\n" << done.notes;
    EXPECT_THAT(done.notes, Not(HasSubstr("secret"))) << call.args;
    EXPECT_EQ(done.out, "") << call.args;
  }
  EXPECT_EQ(world_->files(), before);
}

/// Flags with a fraction, behind the subcommand that has them.
const std::pair<const char*, const char*> kFractions[] = {
    {"ask --task base hi", "server-timeout"},
    {"ask --task base hi", "server-share"},
    {"ask --task base hi", "budget-daily-money"},
    {"ask --task base hi", "budget-monthly-money"},
    {"ask --task base hi", "max-risk"},
    {"ask --task base hi", "max-regret"},
    {"ask --task base --value 1 hi", "price"},
    {"ask --task base --price 1 hi", "value"},
    {"ask --task base --price 1 --value 1 hi", "server-right"},
    {"serve --model none.gguf", "server-timeout"},  // ends, were the number taken
    {"bench customize", "slice-minutes"},
    {"bench route", "slice-minutes"},
    {"train --config none.toml", "slice-minutes"},
    {"pool new new --prompts examples.jsonl", "temperature"},
    {"pool add pool x --examples examples.jsonl --licence x --trained-on x", "strength"},
    {"blend --pool pool -o new.gguf", "weights"},
    {"customize --pool pool --examples examples.jsonl", "weights"},
};

TEST_F(Program, AFlagWithAFractionTakesNoNumberThatIsNotFinite) {
  for (const auto& [call, flag] : kFractions) {
    for (const char* value : {"nan", "-nan", "inf", "1e999"}) {
      const std::string args = fmt::format("{} --{}={}", call, flag, value);
      const ProgramRun done = run(args);
      EXPECT_EQ(done.status, 2) << args << "\n" << done.notes;
      EXPECT_THAT(done.notes,
                  AllOf(HasSubstr(std::string("--") + flag), HasSubstr("finite number")))
          << args;
      EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << args << "\n" << done.notes;
    }
  }
}

TEST_F(Program, NorDoTheEnvironmentAndCrayonToml) {
  const auto refused = [](const ProgramRun& done, const char* flag) {
    EXPECT_EQ(done.status, 2) << flag << "\n" << done.notes;
    EXPECT_THAT(done.notes, AllOf(HasSubstr(flag), HasSubstr("finite number")));
  };
  const std::string ask = "ask --model model.gguf --task base hi";
  refused(run(ask, {}, "CRAYON_SERVER_TIMEOUT=nan"), "--server-timeout");
  refused(run(ask, {}, "CRAYON_BUDGET_DAILY_MONEY=nan"), "--budget-daily-money");
  for (const char* line :
       {"server-timeout = nan", "[ask]\nserver-timeout = inf", "budget-daily-money = nan"}) {
    world_->write("crayon.toml", line);
    refused(run(ask),
            std::string(line).find("budget") == 0 ? "--budget-daily" : "--server-timeout");
  }
  std::filesystem::remove(world_->path("crayon.toml"));
  refused(run("ask --model model.gguf --task base --server-url http://x --server-price nan hi"),
          "--server-price");
}

TEST_F(Program, AFailedCallLeavesTheOldFileAsItWas) {
  world_->write("stays.gguf", "as it was");
  world_->write("half.jsonl", R"({"question":"a","choices":["x","y"]})"
                              "\nnot JSON\n");
  const ProgramRun done =
      run("customize --model model.gguf --pool pool --examples half.jsonl -o stays.gguf");
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.notes, HasSubstr("half.jsonl:2"));
  EXPECT_EQ(read_text(world_->path("stays.gguf")), "as it was");
}

TEST_F(Program, AnotherBaseModelIsRefusedAndBothAreNamed) {
  write_random_model(world_->path("other.gguf"), {.d_model = 32, .seed = 2});
  const ProgramRun done =
      run("customize --model other.gguf --pool pool --examples examples.jsonl -o new.gguf");
  EXPECT_EQ(done.status, 4);
  EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << done.notes;
  EXPECT_FALSE(std::filesystem::exists(world_->path("new.gguf")));
}

}  // namespace
}  // namespace crayon
