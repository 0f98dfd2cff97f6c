use headwater::movie::Movie;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let t = std::time::Instant::now();
    let movie = Movie::read(&bytes[..], std::num::NonZeroU32::new(6000).unwrap()).unwrap();
    let e = t.elapsed();
    match movie { Ok(m) => println!("{e:?} bytes {} tracks {:?}", m.bytes(), m.tracks.iter().map(|t| (t.index.end_sample, t.index.segments.len(), t.index.fault)).collect::<Vec<_>>()), Err(e2) => println!("{e:?} {e2}") }
}
