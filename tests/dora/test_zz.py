import copy
from hypothesis import given, settings, HealthCheck, Phase, seed, strategies as st
from tests.dora import compare, worlds, loading, edits
from tests.dora.loading import Loaded, dump, differences, rows_of
def size(w): return len(w.commits)+len(w.pull_requests)+len(w.deployments)+len(w.issues)
def test_back(db):
    conn=db.connect("pulse_etl"); out=[]
    for sd in (11,21):
        @seed(sd)
        @settings(max_examples=30,deadline=None,database=None,phases=[Phase.generate],suppress_health_check=list(HealthCheck))
        @given(worlds.worlds(), st.data())
        def run(w,data):
            l=Loaded.new(db,conn,w).load(); before=dump(l); ref0=compare.disagreements(l)
            after,done=edits.edited(data.draw,l.world,tuple(e for e in edits.EDITS if e is not edits.time_passes))
            if after.now!=w.now: return
            changed={k for k in after.given if after.given[k]!=w.given.get(k)}
            l.change_to(after); l.run(); ref1=compare.disagreements(l)
            o=copy.deepcopy(w); o.given={**{n:getattr(o.settings,n) for n in after.given},**o.given}
            l.change_to(o); l.run()
            d=differences(before,dump(l))
            if d:
                ref=compare.disagreements(l)
                l.run(full=True); d2=differences(before,dump(l))
                out.append((size(w),done,d,ref0,ref1,ref,len(d2),changed,w.time_zone,after.time_zone,w.now))
        run()
    print("BACK",len(out))
    for s,done,d,r0,r1,ref,n,*rest in sorted(out,key=lambda x:x[0])[:5]:
        print(s,done,rest,"ref before",len(r0),"edited",len(r1),"back",len(ref),"after full",n)
        for r in (r0,r1,ref): print("      R",[x[:170] for x in r[:2]])
        [print("    ",x[:150],"...",x[-260:]) for x in (d[0],*[x for x in d if x[0]=="+"][:1])]
